"""Frame backbones: any timm model without its classifier, with its own pixel normalisation inside."""

import difflib
import re
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from framegate.ssl.weights import read_state_dict


class BackboneError(ValueError):
    """A backbone that does not exist, or weights that do not fit it."""


class Backbone(nn.Module):
    """A timm model that turns pictures into one feature vector each.

    Pixels go in as they are: the mean and standard deviation that the model's weights expect are applied here, so that
    training, probing and fine-tuning cannot disagree about them.

    Args:
        name: a timm architecture (``resnet18``, ``efficientnet_b0``, ``vit_small_patch16_224``) or ``local-dir:PATH``.
        weights: None for random ones, ``"timm"`` for those that timm downloads, or a path to a backbone folder or a
            state-dict file (``.safetensors``, ``.pth``).
        image_size: pixels a side; only models of a fixed input size (ViT) are built for it, the others take any.
        in_chans: picture channels; 1 for mel spectrograms.

    Shape: images (B, in_chans, H, W), uint8 in 0–255 or float in 0–1 → (B, dim) float.

    Raises:
        BackboneError: no such model, or weights whose tensors do not fit it.
    """

    model: Any  # timm's classes share an interface that no type names
    mean: Tensor
    std: Tensor

    def __init__(self, name: str, *, weights: str | None = None, image_size: int = 224, in_chans: int = 3):
        super().__init__()
        self.name = name
        self.image_size = image_size
        self.model = _create(name, image_size=image_size, in_chans=in_chans, pretrained=weights == "timm")
        if weights not in (None, "timm"):
            load_weights(self.model, Path(weights))
        self.dim: int = self.model.num_features
        pixels = resolve_model_data_config(self.model)
        self.register_buffer("mean", _per_channel(pixels["mean"], in_chans), persistent=False)
        self.register_buffer("std", _per_channel(pixels["std"], in_chans), persistent=False)

    @property
    def patch_embedding(self) -> nn.Module | None:
        """What cuts a picture into tokens, where the model attends to tokens (ViT and its kin)."""
        return getattr(self.model, "patch_embed", None) if hasattr(self.model, "pos_embed") else None

    def normalise(self, images: Tensor) -> Tensor:
        """Pixels as the model's weights expect them; uint8 is read as 0–255, float as 0–1."""
        if images.dtype == torch.uint8:
            images = images.to(self.mean.dtype) / 255
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features (B, dim)."""
        return self.model(self.normalise(images))

    def feature_map(self, images: Tensor, *, least: int = 1) -> Tensor:
        """Activations as a map (B, C, h, w), for convolutional models and transformers alike.

        Args:
            images: as for `forward`.
            least: the deepest stage whose map has at least this many cells a side is taken.

        Raises:
            BackboneError: no stage has so many at this image size.
        """
        return self.forward_with_map(images, least=least)[1]

    def forward_with_map(self, images: Tensor, *, least: int = 1) -> tuple[Tensor, Tensor]:
        """What `forward` and `feature_map` give, in a single pass."""
        features, maps = self.model.forward_intermediates(self.normalise(images), output_fmt="NCHW")
        fine = [found for found in maps if min(found.shape[-2:]) >= least]
        if not fine:
            raise BackboneError(
                f"{self.name}: no stage has a map of {least} × {least} cells at {images.shape[-1]} pixels"
            )
        return self.model.forward_head(features), fine[-1]


def load_backbone(reference: str, *, image_size: int | None = None, arch: str | None = None) -> Backbone:
    """Open a backbone by reference: a timm name, a backbone folder, or with ``arch`` a state-dict file.

    Args:
        reference: what the user wrote.
        image_size: pixels a side; default: the size that the folder or timm names.
        arch: the timm architecture that a state-dict file belongs to.

    Raises:
        BackboneError: it is none of the three, or its weights do not fit.
    """
    path = Path(reference)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise BackboneError(f"{path}: no config.json in it; a backbone folder is what `framegate export` writes")
        name, weights = f"local-dir:{path}", str(path)
    elif path.is_file():
        if arch is None:
            raise BackboneError(f"{path} is a file of weights: say which timm model they belong to with --arch NAME")
        name, weights = arch, str(path)
    else:
        name, weights = reference, None
    return Backbone(name, weights=weights, image_size=image_size or _own_image_size(name))


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill ``model`` from a backbone folder or a state-dict file, whatever prefix its keys carry.

    A classifier in the file is left out; a tensor that is missing, too many or of another shape is an error.

    Raises:
        BackboneError: the file is unreadable, or its tensors are not the model's.
    """
    try:
        found = read_state_dict(path)
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path}: {error}") from error
    wanted = model.state_dict()
    found = _without_prefix(found, wanted)
    missing = [key for key in wanted if key not in found and not _is_optional(key)]
    misfits = [
        f"{key} is {tuple(found[key].shape)}, not {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in found and found[key].shape != tensor.shape
    ]
    problems = misfits + [f"{key} is missing" for key in missing]
    problems += [f"{key} has no place in it" for key in _surplus(found, wanted, model)]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BackboneError(f"{path}: these weights are not {type(model).__name__}'s: {'; '.join(problems[:3])}{more}")
    model.load_state_dict({key: found.get(key, tensor) for key, tensor in wanted.items()})


def _create(name: str, *, image_size: int, in_chans: int, pretrained: bool) -> nn.Module:
    options: dict[str, Any] = {"num_classes": 0, "in_chans": in_chans, "pretrained": pretrained}
    if not name.startswith("local-dir:") and not _timm_has(name):
        near = difflib.get_close_matches(name, timm.list_models() + timm.list_pretrained(), n=1, cutoff=0.0)
        raise BackboneError(f"no backbone '{name}': neither a folder nor a timm model (nearest: '{near[0]}')")
    if _pretrained_cfg(name).get("fixed_input_size"):
        options["img_size"] = image_size
    return timm.create_model(name, **options)


def _timm_has(name: str) -> bool:
    return timm.is_model(name) and ("." not in name or timm.is_model_pretrained(name))


def _own_image_size(name: str) -> int:
    return _pretrained_cfg(name).get("input_size", (3, 224, 224))[-1]


def _pretrained_cfg(name: str) -> dict[str, Any]:
    if name.startswith("local-dir:"):
        # Building the model on the meta device costs no memory and reads no weights.
        with torch.device("meta"):
            return dict(timm.create_model(name, pretrained=False).pretrained_cfg)
    config = timm.get_pretrained_cfg(name) if _timm_has(name) else None
    return config.to_dict() if config else {}


# Names of the slowly following copy in a checkpoint that holds both encoders; the query encoder is the one to load.
_KEY_ENCODER = re.compile(r"(?:^|[._])(?:k|key|momentum)(?:[._]|$)")


def _without_prefix(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Strip the prefix (``module.``, ``encoder_q.``, ``backbone.`` …) under which the most of ``wanted`` is found."""
    last = [key for key in wanted if not _is_optional(key)][-1]
    prefixes = sorted({key.removesuffix(last) for key in found if key.endswith(last)} | {""})
    best = max(
        prefixes,
        key=lambda prefix: (sum(prefix + key in found for key in wanted), not _KEY_ENCODER.search(prefix)),
    )
    return {key.removeprefix(best): tensor for key, tensor in found.items() if key.startswith(best)}


def _surplus(found: dict[str, Tensor], wanted: dict[str, Tensor], model: nn.Module) -> list[str]:
    """Tensors inside the model's own parts that it has no use for: those of a deeper network of the same family."""
    parts = {key.split(".")[0] for key in wanted}
    classifier = model.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr, operator]
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    heads = tuple(f"{name}." for name in names)
    return [key for key in found if key not in wanted and key.split(".")[0] in parts and not key.startswith(heads)]


def _is_optional(key: str) -> bool:
    """Batch counts, which old files lack and nothing needs."""
    return key.endswith("num_batches_tracked")


def _per_channel(values: tuple[float, ...], channels: int) -> Tensor:
    tensor = torch.tensor(values, dtype=torch.float32)
    return (tensor if len(tensor) == channels else tensor.mean().expand(channels)).reshape(channels, 1, 1).clone()
