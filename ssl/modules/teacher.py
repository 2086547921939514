"""A frozen teacher: a backbone that is used in training, and is no part of what is trained."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from framegate.ssl.backbones.weights import add_tensors


class Teacher(nn.Module):
    """A backbone in evaluation mode, whose features have no gradient.

    Its tensors move with the module they are in, and are neither parameters nor buffers of it: no optimizer, no
    checkpoint and no exchange between processes has them. What a checkpoint has is their digest, and it loads only
    where the teacher is the same.

    >>> teacher = Teacher(nn.Linear(3, 2))
    >>> list(teacher.state_dict()), list(teacher.parameters()), teacher.train().backbone.training
    (['digest'], [], False)

    Args:
        backbone: pictures (B, 3, S, S) → features (B, dim); changed to evaluation mode.

    Shape: ``digest`` (32,) uint8, a persistent buffer: SHA-256 of the backbone's tensors, its pixel normalisation
        included.
    """

    digest: Tensor

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self._held = (backbone.eval().requires_grad_(False),)  # in a tuple, a module is not registered
        digest = hashlib.sha256()
        add_tensors(digest, {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())})
        self.register_buffer("digest", torch.tensor(list(digest.digest()), dtype=torch.uint8))

    @property
    def backbone(self) -> nn.Module:
        """The frozen network."""
        return self._held[0]

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, dim) of ``images``, without gradient."""
        features: Tensor = self.backbone(images)
        return features

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "Teacher":
        """Move the teacher's tensors with the rest: all of `to`, `double` and their like come here."""
        self.backbone._apply(fn, recurse)
        nn.Module._apply(self, fn, recurse)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *others: Any) -> None:
        saved = state_dict.get(f"{prefix}digest")
        if saved is not None and not torch.equal(saved.cpu(), self.digest.cpu()):
            error_messages: list[str] = others[-1]
            error_messages.append("method.teacher has other weights than the run began with")
        super()._load_from_state_dict(state_dict, prefix, *others)
