"""Weights besides the latest ones: their moving average, and those with the best validation score."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(model: nn.Module, momentum: float) -> AveragedModel:
    """Return a copy of ``model`` that ``update_parameters(model)`` moves to it: a ← momentum · a + (1 − momentum) · w.

    Buffers of whole numbers, such as a tree's indices, are copied: there is nothing between two of them.
    """

    def move(averages: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        for average, value in zip(averages, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - momentum)
            else:
                average.copy_(value)

    return AveragedModel(model, multi_avg_fn=move, use_buffers=True).requires_grad_(False)


class BestWeights(nn.Module):
    """The weights with the best score so far, and the number of scores since that were no better; all is saved state.

    Scores are compared like tuples: the second figure decides between models whose first is equal.

    Shape: ``score`` (2,) float64, −inf before the first one; ``misses`` () int64.
    """

    score: Tensor
    misses: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.register_buffer("score", torch.full((2,), float("-inf"), dtype=torch.float64))
        self.register_buffer("misses", torch.tensor(0))
        register_hook: Callable[[Any], object] = self.register_load_state_dict_pre_hook
        register_hook(_split_single_value)

    @torch.no_grad()
    def offer(self, model: nn.Module, score: tuple[float, float]) -> None:
        """Keep ``model``'s weights if ``score`` is higher than all before; one that is not a number never is."""
        if not score > tuple(self.score.tolist()):
            self.misses += 1
            return
        self.score.copy_(torch.tensor(score, dtype=torch.float64))
        self.misses.zero_()
        self.model.load_state_dict(model.state_dict())


def _split_single_value(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Read the state of old checkpoints, whose one ``value`` was the accuracy and a thousandth of the tie-break."""
    if (value := state.pop(f"{prefix}value", None)) is not None:
        state[f"{prefix}score"] = torch.stack([value, torch.zeros_like(value)])
