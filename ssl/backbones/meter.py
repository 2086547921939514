"""Build networks that a file describes: measure them before they take memory, without random initialisation."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from framegate.media.errors import FramegateError

M = TypeVar("M", bound=nn.Module)

# What a network may have and its file lack: a classifier, a grid of positions for larger pictures, index tables.
_SLACK = 32 << 20
_MAX_MODULES = 10_000


class SizeError(FramegateError, ValueError):
    """Raised for a network that is much larger than its file of weights."""


def build_on_meta(build: Callable[[], M], *, weights: int | None) -> M:
    """Build a network without memory: its tensors have shapes, but no values.

    The build stops as soon as the network is larger than ``weights`` allow, so a description of a million layers ends
    early.

    Args:
        build: makes the network; called with ``meta`` as torch's default device.
        weights: how many numbers the file of weights holds; None: no limit, for networks that get no memory later.

    Raises:
        SizeError: the network has more than twice as many numbers, and 32 million more; or more than 10,000 modules.
    """
    limit = math.inf if weights is None else 2 * weights + _SLACK
    with torch.device("meta"), _NoRandomStart(), _stop_beyond(2 * limit):  # tied weights are registered more than once
        model = build()
    if (size := count_numbers(model)) > limit:
        raise SizeError(f"a network of {size:,} numbers, and its weights hold {weights:,}")
    return model


def build_to_be_filled(build: Callable[[], M]) -> M:
    """Build a network without random initialisation, since all of its tensors will be replaced."""
    with _NoRandomStart():
        return build()


def count_numbers(model: nn.Module) -> int:
    """Count the numbers in a network's parameters and buffers; shared tensors count once.

    >>> count_numbers(nn.Linear(3, 2))
    8
    """
    return sum(tensor.numel() for tensor in {id(t): t for t in (*model.parameters(), *model.buffers())}.values())


@contextmanager
def _stop_beyond(limit: float) -> Iterator[None]:
    numbers = modules = 0

    def count(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal numbers
        numbers += 0 if parameter is None else parameter.numel()
        if numbers > limit:
            raise SizeError(f"a network of more than {numbers:,} numbers, and its weights hold far fewer")

    def count_module(module: nn.Module, name: str, child: nn.Module | None) -> None:
        nonlocal modules
        modules += 1
        if modules > _MAX_MODULES:
            raise SizeError(f"a network of more than {_MAX_MODULES:,} modules")

    hooks = register_module_parameter_registration_hook(count), register_module_module_registration_hook(count_module)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _NoRandomStart(TorchFunctionMode):
    """Leave tensors as they are where they would be filled with random numbers, which costs more than all the rest."""

    # Some of torch's initialisers are met as such, and what they call is not met any more.
    _FILLS = frozenset(
        (
            *(Tensor.normal_, Tensor.uniform_, Tensor.erfinv_),
            *(init.uniform_, init.normal_, init.kaiming_uniform_, init.kaiming_normal_),
        )
    )

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in self._FILLS or (function is Tensor.clamp_ and args[0].is_meta):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)
