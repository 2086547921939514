"""The shortcut audit: measures how much a frozen backbone relies on overlays of stations.

For subtitles, logos and borders, each alone and all together, it asks four questions:

1. *Can the overlay be read?* A linear probe predicts which overlay of a bank is painted, from frames of other
   programmes.
2. *Does it decide which frames are near?* The share of a frame's nearest neighbours with the same overlay, and by
   chance.
3. *How far does it move a frame?* The cosine distance between a frame and the same frame painted, over the distance
   between frames of different classes.
4. *Does it mislead?* Training frames have an overlay of their class with probability ρ; a linear probe is then measured
   on clean frames, on frames with the overlay of their class, and on frames with the overlay of another class.

`DEFINITION` says how the score is computed from the answers. The same questions can be asked of what else a network
can live off, `WIDER`: codecs, upscaling, grades, words and dates. They have a score of their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from framegate.media import FrameStore
from framegate.ssl.audit.audit_frames import AuditFrames, PaintedFeatures, category_names, choose_frames
from framegate.ssl.audit.audit_measures import (
    Groups,
    cosine_distances,
    distances_between,
    interval,
    linear_right,
    penalty,
    same_among_neighbours,
)
from framegate.ssl.audit.audit_overlays import KINDS, LookKind, OverlayKind
from framegate.ssl.audit.wider_looks import LOOKS, WiderKind, bank_words, wider_look
from framegate.ssl.probes.probe_split import ProbeFrames

DEFINITION = (
    "The score of a kind of overlay is 1 − (read + pull + mislead) / 3, where",
    """    read    = (decodability − chance) / (1 − chance)
    pull    = (same-overlay neighbours − chance) / (1 − chance)
    mislead = (same − swapped) / same, at ρ = 0.9; without labels it is left out of the mean,""",
    "each cut to 0–1. The score of the backbone is the mean over kinds: 1 where overlays leave no trace in the "
    "features, 0 where features tell nothing else.",
)
"""The score in words, a paragraph each, as reports show it."""
OVERLAYS = LOOKS
"""Overlays in a bank: the largest number of classes, so that each class can have a different one."""
RHOS = (0.0, 0.5, 0.9, 1.0)
RHO = 0.9
"""The correlation ρ at which `OverlayAudit.accuracy` and the score are measured."""


@dataclass(frozen=True, kw_only=True)
class OverlayAudit:
    """Effects of one kind of overlay; names as in the audit's JSON, shares and accuracies 0–1.

    ``intervals`` holds the 95% interval of each measure by its name, by bootstrap over programmes. ``accuracy``,
    ``gap`` and ``by_rho`` are None without labels. ``distances`` are mean cosine distances: from a frame to the same
    frame ``painted``, to frames of other clips of its class, and to frames of other classes.
    """

    score: float
    decodability: float
    decodability_chance: float
    same_overlay_neighbours: float
    neighbours_chance: float
    drift: float
    distances: dict[str, float | None]
    accuracy: dict[str, float] | None
    gap: float | None
    rho: float
    by_rho: list[dict[str, float]] | None
    intervals: dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The whole audit of painted overlays: the score, its 95% interval, and each kind.

    ``wider`` holds the same for each kind of look beyond overlays that was asked for, ``looks`` the names of its looks,
    ``score_wider`` and ``interval_wider`` their mean; None if there are none. ``score`` does not depend on them.
    """

    score: float
    interval: list[float]
    overlays: dict[OverlayKind, OverlayAudit]
    score_wider: float | None
    interval_wider: list[float] | None
    wider: dict[WiderKind, OverlayAudit]
    looks: dict[WiderKind, tuple[str, ...]]
    frames: int
    classes: int
    notes: tuple[str, ...]


def audit(
    backbone: nn.Module,
    store: FrameStore,
    numbers: np.ndarray,
    frames: ProbeFrames,
    *,
    image_size: int,
    max_frames: int = 900,
    kinds: Sequence[OverlayKind] = KINDS,
    wider: Sequence[WiderKind] = (),
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> Audit:
    """Audit a backbone on a store.

    Args:
        backbone: (B, 3, S, S) uint8 → (B, dim).
        store: where frames come from.
        numbers: (N,) the number in the store of each of ``frames``.
        frames: splits, programmes, sources and classes of the frames; classes are optional.
        image_size: pixels a side, S.
        max_frames: number of frames that take part, a third of them to measure on; see `choose_frames`.
        kinds: of overlays, at least one.
        wider: kinds of looks beyond overlays.
        seed: of the bank of overlays, and of which frame gets which.
        on_progress: called with the number of pictures done, about `pictures_to_do` at the end.

    Raises:
        ProbeError: there is only one clip.
    """
    chosen = choose_frames(numbers, frames, max_frames=max_frames)
    words = bank_words(category_names(store, chosen), seed=seed)
    features = PaintedFeatures(
        backbone, store, chosen.number, image_size=image_size, seed=seed, words=words, on_progress=on_progress
    )
    groups = Groups.resampled(chosen.group[~chosen.fit])
    plain = features.plain()
    c = 0.01 if chosen.classes is None else penalty(plain[chosen.fit], chosen.classes[chosen.fit], _fit_groups(chosen))
    overlays = {kind: _audit_kind(kind, chosen, features, plain, groups, c=c, seed=seed) for kind in kinds}
    beyond = {kind: _audit_kind(kind, chosen, features, plain, groups, c=c, seed=seed) for kind in wider}
    resampled = np.mean([scores for _, scores in overlays.values()], axis=0)
    resampled_wider = np.mean([scores for _, scores in beyond.values()], axis=0) if beyond else None
    return Audit(
        score=float(resampled[0]),
        interval=interval(resampled),
        overlays={kind: row for kind, (row, _) in overlays.items()},
        score_wider=None if resampled_wider is None else float(resampled_wider[0]),
        interval_wider=None if resampled_wider is None else interval(resampled_wider),
        wider={kind: row for kind, (row, _) in beyond.items()},
        looks={
            kind: tuple(wider_look(kind, number, seed=seed, words=words).name for number in range(LOOKS))
            for kind in wider
        },
        frames=len(chosen.number),
        classes=0 if chosen.classes is None else int(chosen.classes.max()) + 1,
        notes=chosen.notes,
    )


def audit_light(
    backbone: nn.Module,
    store: FrameStore,
    numbers: np.ndarray,
    frames: ProbeFrames,
    *,
    image_size: int,
    max_frames: int = 240,
    seed: int = 0,
) -> dict[str, float]:
    """Audit a backbone in about a second, for curves during training: all overlays together, without labels.

    The arguments are those of `audit`.

    Returns:
        ``audit_score``; ``audit_decodability`` and ``audit_same_overlay_neighbours``, scaled to 0 at chance and 1 at
        most; ``audit_drift``.
    """
    unlabelled = ProbeFrames(
        split=frames.split, programme=frames.programme, source=frames.source, video=frames.video, levels={}
    )
    all_of_them = audit(
        backbone, store, numbers, unlabelled, image_size=image_size, max_frames=max_frames, kinds=("all",), seed=seed
    ).overlays["all"]
    return {
        "audit_score": all_of_them.score,
        "audit_decodability": float(_above(all_of_them.decodability, all_of_them.decodability_chance)),
        "audit_same_overlay_neighbours": float(
            _above(all_of_them.same_overlay_neighbours, all_of_them.neighbours_chance)
        ),
        "audit_drift": all_of_them.drift,
    }


def pictures_to_do(frames: int, *, max_frames: int = 900, kinds: int = len(KINDS), labelled: bool = True) -> int:
    """Estimate how many pictures `audit` sends through the backbone, for a store of ``frames`` frames.

    >>> pictures_to_do(100, kinds=2, labelled=False)
    300
    """
    taking_part = min(frames, max_frames)
    return round(taking_part * (1 + kinds * (7 / 3 if labelled else 1)))


def _audit_kind(
    kind: LookKind,
    chosen: AuditFrames,
    features: PaintedFeatures,
    plain: np.ndarray,
    groups: Groups,
    *,
    c: float,
    seed: int,
) -> tuple[OverlayAudit, np.ndarray]:
    """Audit one kind of look; return its measures, and its resampled scores (1 + draws,)."""
    fit, test = chosen.fit, ~chosen.fit
    rng = np.random.default_rng([seed, *kind.encode()])
    anyone = rng.permutation(np.arange(len(fit)) % OVERLAYS)
    painted = features.painted(kind, anyone)

    reading = penalty(painted[fit], anyone[fit], _fit_groups(chosen))
    (read_right,) = linear_right(painted[fit], anyone[fit], [(painted[test], anyone[test])], c=reading)
    decoded = groups.balanced(read_right, anyone[test])
    same, chance = same_among_neighbours(painted[fit], anyone[fit], painted[test], anyone[test])
    near, near_chance = groups.mean(same), groups.mean(chance)
    moved = groups.mean(cosine_distances(plain, painted)[test])
    within, between = distances_between(plain[test], chosen.video[test], _of(chosen.classes, test))
    leans = [_above(decoded, 1 / OVERLAYS), _above(near, near_chance)]
    resampled = {"decodability": decoded, "same_overlay_neighbours": near, "drift": moved / max(between, 1e-12)}

    by_rho = accuracy = None
    if chosen.classes is not None:
        accuracies = _accuracies(kind, chosen, features, plain, painted, groups, rng, c=c)
        by_rho = [
            {"rho": rho, **{name: float(values[0]) for name, values in figures.items()}}
            for rho, figures in accuracies.items()
        ]
        at = accuracies[RHO]
        accuracy = {name: float(at[name][0]) for name in ("clean", "same", "swapped")}
        leans.append(np.clip(at["gap"] / np.maximum(at["same"], 1e-12), 0, 1))
        resampled |= at
    score = 1 - np.mean(leans, axis=0)
    return (
        OverlayAudit(
            score=float(score[0]),
            decodability=float(decoded[0]),
            decodability_chance=1 / OVERLAYS,
            same_overlay_neighbours=float(near[0]),
            neighbours_chance=float(near_chance[0]),
            drift=float(resampled["drift"][0]),
            distances={"painted": float(moved[0]), "same_class": within, "other_class": between},
            accuracy=accuracy,
            gap=None if accuracy is None else accuracy["same"] - accuracy["swapped"],
            rho=RHO,
            by_rho=by_rho,
            intervals={name: interval(values) for name, values in ({"score": score} | resampled).items()},
        ),
        score,
    )


def _accuracies(
    kind: LookKind,
    chosen: AuditFrames,
    features: PaintedFeatures,
    plain: np.ndarray,
    painted: np.ndarray,
    groups: Groups,
    rng: np.random.Generator,
    *,
    c: float,
) -> dict[float, dict[str, np.ndarray]]:
    """Return balanced accuracy ``clean``, ``same`` and ``swapped``, and ``gap``, for each ρ, resampled (1 + draws,)."""
    fit, test = chosen.fit, np.flatnonzero(~chosen.fit)
    classes = chosen.classes
    assert classes is not None
    number_of_classes = int(classes.max()) + 1
    same = features.painted(kind, classes)
    another = (classes[test] + rng.integers(1, number_of_classes, len(test))) % number_of_classes
    swapped = features.painted(kind, another, test)
    order = rng.permutation(int(fit.sum())) / max(int(fit.sum()), 1)
    found = {}
    for rho in RHOS:
        # A frame that has its class's overlay at some ρ has it at every higher one; the others have anyone's.
        training = np.where((order < rho)[:, None], same[fit], painted[fit])
        queries = (plain[test], same[test], swapped)
        right = linear_right(training, classes[fit], [(rows, classes[test]) for rows in queries], c=c)
        figures = {
            name: groups.balanced(outcome, classes[test])
            for name, outcome in zip(("clean", "same", "swapped"), right, strict=True)
        }
        found[rho] = figures | {"gap": figures["same"] - figures["swapped"]}
    return found


def _above(share: np.ndarray | float, chance: np.ndarray | float) -> np.ndarray:
    """Scale a share to 0 at chance and 1 at most."""
    above: np.ndarray = np.clip((share - chance) / (1 - chance), 0, 1)
    return above


def _fit_groups(chosen: AuditFrames) -> np.ndarray:
    groups: np.ndarray = chosen.group[chosen.fit]
    return groups


def _of(classes: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if classes is None else classes[rows]
