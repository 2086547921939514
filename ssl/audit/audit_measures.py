"""The audit's measures, as outcomes frame by frame, so that one bootstrap gives every measure its interval."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from framegate.ssl.probes.linear_probe import choose_c, fit_linear

NEIGHBOURS = 10
C_GRID = (1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Groups:
    """Resampled weights of independent groups: row 0 takes each group once, the other rows are bootstrap samples.

    Shape: ``weights`` (1 + draws, groups); ``of`` (M,) the group of each measured frame.
    """

    weights: np.ndarray
    of: np.ndarray

    @classmethod
    def resampled(cls, group: np.ndarray, *, draws: int = 500, seed: int = 0) -> "Groups":
        """Draw ``draws`` bootstrap samples of the groups (M,) of the measured frames."""
        _, of = np.unique(group, return_inverse=True)
        count = of.max() + 1
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
        return cls(np.vstack([np.ones(count), drawn]).astype(float), of)

    def mean(self, outcome: np.ndarray) -> np.ndarray:
        """Return the means (1 + draws,) of an outcome (M,)."""
        return self._share(outcome, np.zeros(len(outcome), np.int64))

    def balanced(self, outcome: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the means (1 + draws,) over classes of the mean outcome (M,) in each class; ``classes`` is (M,)."""
        return self._share(outcome, np.unique(classes, return_inverse=True)[1])

    def _share(self, outcome: np.ndarray, classes: np.ndarray) -> np.ndarray:
        total = np.zeros((self.weights.shape[1], classes.max() + 1))
        hit = np.zeros_like(total)
        np.add.at(total, (self.of, classes), 1)
        np.add.at(hit, (self.of, classes), outcome)
        hit, total = self.weights @ hit, self.weights @ total
        share = np.divide(hit, total, out=np.zeros_like(hit), where=total > 0)
        means: np.ndarray = share.sum(axis=1) / np.maximum((total > 0).sum(axis=1), 1)
        return means


def interval(values: np.ndarray) -> list[float]:
    """Return the 95% interval [low, high] of resampled values (1 + draws,); the first one is the value itself.

    >>> interval(np.arange(102.0) - 1)
    [2.5, 97.5]
    """
    return [float(bound) for bound in np.percentile(values[1:], [2.5, 97.5])]


def penalty(features: np.ndarray, classes: np.ndarray, group: np.ndarray) -> float:
    """Choose the C of a linear probe on a third of the groups, after fits on the rest.

    Args:
        features, classes, group: (N, dim), (N,) and (N,).
    """
    groups = np.unique(group)
    held_out = np.isin(group, np.random.default_rng(len(groups)).permutation(groups)[: max(1, len(groups) // 3)])
    known = held_out & np.isin(classes, classes[~held_out])
    if not known.any() or len(np.unique(classes[~held_out])) < 2:
        return 0.01
    return choose_c(features[~held_out], classes[~held_out], features[known], classes[known], grid=C_GRID)


def linear_right(
    features: np.ndarray, classes: np.ndarray, tests: list[tuple[np.ndarray, np.ndarray]], *, c: float
) -> list[np.ndarray]:
    """Fit a linear probe; return for each test (features, classes) which rows it gets right: (M,) 0.0 or 1.0."""
    model = fit_linear(features, classes, c=c)
    return [(model.predict(queries) == true).astype(float) for queries, true in tests]


def same_among_neighbours(
    memory: np.ndarray, kinds: np.ndarray, queries: np.ndarray, of_queries: np.ndarray, *, k: int = NEIGHBOURS
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of each query's ``k`` nearest rows of ``memory`` that are of its kind, and that share by chance.

    Rows are compared by cosine.

    Args:
        memory, kinds: (N, dim) and (N,).
        queries, of_queries: (M, dim), and their kinds (M,).
        k: number of neighbours.

    Returns:
        Two arrays (M,), 0–1.
    """
    near = _unit(queries) @ _unit(memory).T
    nearest = near.topk(min(k, len(memory)), dim=1).indices.numpy()
    same = (kinds[nearest] == of_queries[:, None]).mean(axis=1)
    shares = {kind: float((kinds == kind).mean()) for kind in np.unique(of_queries)}
    return same, np.array([shares[kind] for kind in of_queries])


def cosine_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return 1 − cosine of each row of ``first`` (N, dim) and the same row of ``second``, (N,).

    >>> cosine_distances(np.eye(2), np.ones((2, 2))).round(3).tolist()
    [0.293, 0.293]
    """
    return 1 - (_unit(first) * _unit(second)).sum(dim=1).numpy()


def distances_between(
    features: np.ndarray, video: np.ndarray, classes: np.ndarray | None
) -> tuple[float | None, float]:
    """Return the mean cosine distances of frames of different clips: of one class, and of different classes.

    Args:
        features: (N, dim).
        video: (N,) the clip of each frame.
        classes: (N,); None without labels: then the first distance is None, the second is over all pairs of clips.
    """
    distance = 1 - (_unit(features) @ _unit(features).T).numpy()
    other_clip = video[:, None] != video[None]
    if classes is None:
        return None, float(distance[other_clip].mean())
    one_class = classes[:, None] == classes[None]
    within = distance[other_clip & one_class]
    return (float(within.mean()) if within.size else None), float(distance[~one_class].mean())


def _unit(rows: np.ndarray) -> torch.Tensor:
    return F.normalize(torch.from_numpy(rows).double(), dim=1)
