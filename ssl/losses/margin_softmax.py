"""Margin softmax over a sample of the classes, for tens of thousands of classes."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Margin = Literal["cosface", "arcface"]

UNLABELLED = -1


def margin_softmax(cosines: Tensor, targets: Tensor, *, margin: float, kind: Margin, temperature: float) -> Tensor:
    """Return the cross-entropy of cosines in which the target class has to win by a margin.

    The target's cosine cos θ becomes cos θ − m for ``cosface`` (Wang et al. 2018, §3.1, eq. 4), and cos(θ + m) for
    ``arcface`` (Deng et al. 2019, §2.1, eq. 3), continued as a falling line beyond θ = π − m, where the cosine would
    rise again. With m = 0 both are the normalised softmax.

    >>> margin_softmax(torch.eye(2), torch.tensor([0, 1]), margin=0.5, kind="cosface", temperature=1.0)
    tensor([0.4741, 0.4741])

    Args:
        cosines: (N, K) between rows and class centres, in float32 or better.
        targets: (N,) int64, the column of each row's class.
        margin: m ≥ 0; about 0.35 for ``cosface``, 0.5 for ``arcface``.
        kind: whether the margin is subtracted from the cosine or added to the angle.
        temperature: τ > 0, the inverse of the papers' scale s. For C classes s should be above log(C) + 4 or so
            (Wang et al. 2018, §3.3): 0.03 suits 60,000.

    Returns:
        (N,) losses.
    """
    target = cosines.gather(1, targets[:, None])
    harder = target - margin if kind == "cosface" else _turned(target, margin)
    return F.cross_entropy(cosines.scatter(1, targets[:, None], harder) / temperature, targets, reduction="none")


def sample_classes(targets: Tensor, *, classes: int, size: int, generator: torch.Generator) -> Tensor:
    """Choose the classes that a step compares with: all of ``targets``, and others at random.

    This is PartialFC (An et al. 2022, §3.2). With the same targets and generator state, processes choose the same
    classes.

    Args:
        targets: (M,) int64 of all processes, `UNLABELLED` where a row has no class.
        classes: number of all classes, C.
        size: number of classes to choose; if M is larger, M are chosen.
        generator: on the CPU; draws the other classes.

    Returns:
        (min(C, max(size, M)),) int64, ascending.
    """
    taken = min(classes, max(size, len(targets)))
    if taken == classes:
        return torch.arange(classes, device=targets.device)
    order = torch.rand(classes + 1, generator=generator).to(targets.device)
    order[targets] = 2.0  # first of all; UNLABELLED falls on the surplus place at the end
    return order[:-1].topk(taken).indices.sort().values


def _turned(cosine: Tensor, angle: float) -> Tensor:
    """cos(θ + angle) of cos θ."""
    sine = (1 - cosine.square()).clamp_min(1e-12).sqrt()
    turned = cosine * math.cos(angle) - sine * math.sin(angle)
    return torch.where(cosine > -math.cos(angle), turned, cosine - angle * math.sin(angle))
