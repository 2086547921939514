"""The head that turns features into what a loss compares."""

from collections.abc import Sequence
from itertools import pairwise

from lightly.models.modules.heads import ProjectionHead
from torch import nn


def projection_head(widths: Sequence[int], *, last_norm: nn.Module | None) -> nn.Module:
    """Make linear layers with batch norm and ReLU after each but the last; those before a norm have no bias.

    Args:
        widths: of the input, of each hidden layer, and of the output.
        last_norm: what follows the last layer.
    """
    *hidden, dim = widths
    blocks = [(before, after, nn.BatchNorm1d(after), nn.ReLU()) for before, after in pairwise(hidden)]
    head: nn.Module = ProjectionHead([*blocks, (hidden[-1], dim, last_norm, None)])
    return head
