"""A stand-in for a timm model that takes microseconds: one convolution, a norm of the test's choice, a mean."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.methods.distill import Distill
from framegate.ssl.methods.method import Method
from framegate.ssl.methods.moco import MoCo
from framegate.ssl.methods.moco_v3 import MoCoV3
from framegate.ssl.methods.programme_labels import Programme, ProgrammeLoss, WithProgramme
from framegate.ssl.methods.simclr import SimCLR

Moving = TypeVar("Moving", MoCo, MoCoV3)


class TinyBackbone(nn.Module):
    """Pictures (B, 3, S, S) uint8 → features (B, 8); without a norm a picture's features depend on no other picture."""

    dim = 8
    patch_embedding = None

    def __init__(self, norm: Callable[[int], nn.Module] | None = None):
        super().__init__()
        self.convolution = nn.Conv2d(3, self.dim, kernel_size=3, stride=2)
        self.norm = norm(self.dim) if norm else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.to(self.convolution.weight.dtype) / 255
        return self.norm(self.convolution(pixels)).relu().mean(dim=(2, 3))

    def forward_with_map(self, images: Tensor, *, least: int = 1) -> tuple[Tensor, Tensor]:
        """The same, and the map of responses that was averaged."""
        pixels = images.to(self.convolution.weight.dtype) / 255
        responses = self.norm(self.convolution(pixels)).relu()
        assert min(responses.shape[-2:]) >= least
        return responses.mean(dim=(2, 3)), responses


class TinyTeacher(TinyBackbone):
    """Likewise, of another width."""

    dim = 6


Norm = Callable[[int], nn.Module]


def tiny_moco(norm: Norm | None = None, *, seed: int = 0, **options: object) -> MoCo:
    """MoCo in float64, keys of 6 numbers, its key encoder moved away from the query encoder as in mid-training."""
    torch.manual_seed(seed)
    return _with_moved_keys(MoCo(TinyBackbone(norm), dim=6, **options).double())


def tiny_moco_v3(
    norm: Norm | None = None, *, seed: int = 0, head_norm: Norm | None = None, **options: object
) -> MoCoV3:
    """MoCo v3 likewise; ``head_norm`` takes the place of the heads' batch norm."""
    torch.manual_seed(seed)
    moco = MoCoV3(TinyBackbone(norm), dim=6, hidden=10, **options).double()
    if head_norm is not None:
        replace_batch_norm(moco, head_norm)
    return _with_moved_keys(moco)


def tiny_simclr(norm: Norm | None = None, *, seed: int = 0, head_norm: Norm | None = None, **options: object) -> SimCLR:
    """SimCLR in float64, projections of 6 numbers."""
    torch.manual_seed(seed)
    simclr = SimCLR(TinyBackbone(norm), dim=6, **options).double()
    if head_norm is not None:
        replace_batch_norm(simclr, head_norm)
    return simclr


def tiny_distill(
    norm: Norm | None = None, *, seed: int = 0, head_norm: Norm | None = None, **options: object
) -> Distill:
    """Distillation in float64 by a teacher whose features have 6 numbers."""
    torch.manual_seed(seed)
    distill = Distill(TinyBackbone(norm), TinyTeacher(), **options).double()
    if head_norm is not None:
        replace_batch_norm(distill, head_norm)
    return distill


def tiny_programme(norm: Norm | None = None, *, programmes: int, seed: int = 0, **options: object) -> Programme:
    """The programme method in float64, centres of 6 numbers."""
    torch.manual_seed(seed)
    loss = ProgrammeLoss(TinyBackbone.dim, programmes, dim=6, **options)
    return Programme(TinyBackbone(norm), loss, symmetric=True).double()


def tiny_with_programme(method: Method, *, programmes: int, seed: int = 0, **options: object) -> WithProgramme:
    """A method in float64 with the programme loss beside it."""
    torch.manual_seed(seed)
    return WithProgramme(method, ProgrammeLoss(TinyBackbone.dim, programmes, dim=6, **options).double(), weight=0.5)


def replace_batch_norm(module: nn.Module, norm: Norm) -> None:
    """Put ``norm`` of as many channels in the place of every batch norm."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, norm(child.num_features).double())


def view_batch(first: Tensor, second: Tensor, source: Tensor, **more: Tensor) -> ViewBatch:
    """A batch; programmes are the sources where nothing else is said."""
    return ViewBatch(first, second, source, more.pop("programme", source), **more)


def draws(seed: int = 0) -> torch.Generator:
    """The randomness of a micro-batch."""
    return torch.Generator().manual_seed(seed)


def pictures(count: int, *, seed: int = 0, side: int = 8) -> Tensor:
    """(count, 3, side, side) uint8 noise."""
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(seed)).byte()


def unit_rows(count: int, dim: int = 6, *, seed: int = 0) -> Tensor:
    """(count, dim) float64 rows of length 1."""
    rows = torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(rows, dim=1)


def _with_moved_keys(moco: Moving) -> Moving:
    with torch.no_grad():
        for parameter in moco.key_encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return moco
