"""Which weights a fine-tuning keeps: the last, their moving average, or those that did best on the validation clips."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(model: nn.Module, momentum: float) -> AveragedModel:
    """A copy of ``model`` that ``update_parameters(model)`` moves towards it: a ← momentum · a + (1 − momentum) · w.

    Buffers of whole numbers, such as a tree's indices, are copied: there is nothing between two of them.
    """
    of_floats = get_ema_multi_avg_fn(momentum)

    def move(averages: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        if averages[0].is_floating_point():
            of_floats(list(averages), list(current), updates)
        else:
            for average, value in zip(averages, current, strict=True):
                average.copy_(value)

    return AveragedModel(model, multi_avg_fn=move, use_buffers=True).requires_grad_(False)


class BestWeights(nn.Module):
    """The weights that did best so far, and how often they were not beaten since; all of it is state to save.

    Shape: ``value`` () float64, −inf at first; ``misses`` () int64.
    """

    value: Tensor
    misses: Tensor

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.register_buffer("value", torch.tensor(float("-inf"), dtype=torch.float64))
        self.register_buffer("misses", torch.tensor(0))

    @torch.no_grad()
    def offer(self, model: nn.Module, value: float) -> None:
        """Keep ``model``'s weights if ``value`` is higher than all before."""
        if value <= float(self.value):
            self.misses += 1
            return
        self.value.fill_(value)
        self.misses.zero_()
        self.model.load_state_dict(model.state_dict())
