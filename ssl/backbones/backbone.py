"""Frame backbones: any timm model without its classifier, with its pixel normalisation inside."""

import difflib
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from framegate.ssl.backbones.backbone_folder import MAX_IMAGE_SIZE, check_config
from framegate.ssl.backbones.hub_folder import fetch_folder
from framegate.ssl.backbones.meter import SizeError, build_on_meta
from framegate.ssl.backbones.packaged_weights import packaged_weights
from framegate.ssl.backbones.weights import BackboneError, fit_weights, read_weights
from framegate.ssl.backbones.weights_file import count_stored

__all__ = ["Backbone", "BackboneError", "is_timm_model", "load_backbone"]

_HUB = ("hf-hub:", "hf_hub:")
_FOLDER = "local-dir:"
_MAX_NAME = 100  # characters of a name that are shown
_LOG = logging.getLogger(__name__)


class Backbone(nn.Module):
    """A timm model that turns pictures into one feature vector each.

    It takes raw pixels, and applies the mean and standard deviation that the model's weights expect. So training,
    probing and fine-tuning always use the same ones.

    Args:
        name: a timm architecture (``resnet18``, ``efficientnet_b0``, ``vit_small_patch16_224``), ``local-dir:PATH``, or
            ``hf-hub:OWNER/NAME``, whose architecture is read from the hub, or from its cache on this machine.
        weights: None for random ones, ``"timm"`` for those that timm downloads, ``"package"`` for those of an installed
            package (see `packaged_weights`), or a path to a backbone folder or a state-dict file (``.safetensors``,
            ``.pth``).
        image_size: pixels a side; only models of a fixed input size (ViT) are built for it, others take any size.
        in_chans: picture channels; 1 for mel spectrograms.

    Shape: images (B, in_chans, H, W), uint8 in 0–255 or float in 0–1 → (B, dim) float.

    Raises:
        BackboneError: there is no such model, the hub does not answer, no package has its weights, the weights' tensors
            do not fit, or they are far fewer than the model has.
    """

    model: Any  # timm's classes share an interface that no type names
    mean: Tensor
    std: Tensor

    def __init__(self, name: str, *, weights: str | None = None, image_size: int = 224, in_chans: int = 3):
        super().__init__()
        self.name = name
        self.image_size = image_size
        if not 1 <= image_size <= MAX_IMAGE_SIZE:
            raise BackboneError(f"{name}: pictures of {image_size} pixels a side, and 1 to {MAX_IMAGE_SIZE} are taken")
        source = _as_folder(name, weights=weights == "timm")
        build = partial(_create, source, image_size=image_size, in_chans=in_chans)
        if weights == "package":
            weights = str(packaged_weights(name))
        file = weights if weights != "timm" else _weights_in(source)
        if file is None:  # random ones, or those that timm downloads
            self.model = build(pretrained=weights is not None)
        else:
            found = read_weights(Path(file))
            with _size_errors(file):
                build_on_meta(partial(build, pretrained=False), weights=count_stored(found))
            self.model = build(pretrained=weights == "timm")
            if weights != "timm" and (unused := fit_weights(self.model, found, Path(file))):
                _LOG.warning("%s: left out %s", weights, _summary(unused))
        # Some models (MobileNet, EfficientViT) widen their features once more after pooling.
        self.dim: int = getattr(self.model, "head_hidden_size", None) or self.model.num_features
        pixels = resolve_model_data_config(self.model)
        self.register_buffer("mean", _per_channel(pixels["mean"], in_chans), persistent=False)
        self.register_buffer("std", _per_channel(pixels["std"], in_chans), persistent=False)

    @property
    def patch_embedding(self) -> nn.Module | None:
        """The module that cuts a picture into tokens; None for models without tokens."""
        return getattr(self.model, "patch_embed", None) if hasattr(self.model, "pos_embed") else None

    def normalise(self, images: Tensor) -> Tensor:
        """Normalise pixels as the model's weights expect them; uint8 counts as 0–255, float as 0–1."""
        if images.dtype == torch.uint8:
            images = images.to(self.mean.dtype) / 255
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features (B, dim) of ``images``."""
        features: Tensor = self.model(self.normalise(images))
        return features

    def feature_map(self, images: Tensor, *, least: int = 1, stage: int | None = None) -> Tensor:
        """Return activations as a map (B, C, h, w); for transformers the map of their tokens.

        Args:
            images: as for `forward`.
            least: take the deepest stage whose map has at least this many cells a side.
            stage: take this stage instead, from 0 (a transformer's stages are its blocks); negative: from the deepest.

        Raises:
            BackboneError: there is no such stage, or none with so many cells at this image size, or timm has no maps of
                this model.
        """
        maps = self._intermediates(images, indices=None if stage is None else [stage], intermediates_only=True)
        return self._choose(maps, images, least=least)

    def forward_with_map(self, images: Tensor, *, least: int = 1) -> tuple[Tensor, Tensor]:
        """Return the results of `forward` and of `feature_map`, by one forward pass.

        Raises:
            BackboneError: as for `feature_map`.
        """
        deepest, maps = self._intermediates(images, indices=None, intermediates_only=False)
        return self.model.forward_head(deepest), self._choose(maps, images, least=least)

    def _intermediates(self, images: Tensor, *, indices: list[int] | None, intermediates_only: bool) -> Any:
        if not hasattr(self.model, "forward_intermediates"):
            raise BackboneError(f"{self.name}: timm gives no feature maps of this model")
        try:
            return self.model.forward_intermediates(
                self.normalise(images), indices=indices, output_fmt="NCHW", intermediates_only=intermediates_only
            )
        except AssertionError as error:  # timm's way to refuse a stage
            raise BackboneError(f"{self.name}: no stage {indices}: {error}") from error

    def _choose(self, maps: list[Tensor], images: Tensor, *, least: int) -> Tensor:
        fine = [found for found in maps if min(found.shape[-2:]) >= least]
        if not fine:
            raise BackboneError(
                f"{self.name}: no stage has a map of {least} × {least} cells at {images.shape[-1]} pixels"
            )
        return fine[-1]


def load_backbone(reference: str, *, image_size: int | None = None, arch: str | None = None) -> Backbone:
    """Open a backbone by reference: a timm name, a backbone folder, or with ``arch`` a state-dict file.

    A timm name alone means random weights; ``hf-hub:OWNER/NAME`` the hub's.

    Args:
        reference: a timm name, a path, or ``hf-hub:OWNER/NAME``.
        image_size: pixels a side; default: the size stated by the folder or by timm.
        arch: the timm architecture that a state-dict file belongs to.

    Raises:
        BackboneError: the reference is none of these, the hub does not answer, or the weights do not fit.
    """
    path = Path(reference)
    weights: str | None
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise BackboneError(f"{path}: no config.json in it; a backbone folder is what `framegate export` writes")
        name, weights = f"{_FOLDER}{path}", str(path)
    elif path.is_file():
        if arch is None:
            raise BackboneError(f"{path} is a file of weights: say which timm model they belong to with --arch NAME")
        name, weights = arch, str(path)
    else:
        name, weights = reference, "timm" if reference.startswith(_HUB) else None
    size = image_size or _stated_image_size(_as_folder(name, weights=False))
    return Backbone(name, weights=weights, image_size=size)


def is_timm_model(name: str) -> bool:
    """Tell whether ``name`` is in timm's registry: no folder, no name on a hub.

    >>> is_timm_model("resnet18"), is_timm_model("hf-hub:timm/resnet18")
    (True, False)
    """
    return timm.is_model(name) and ("." not in name or timm.is_model_pretrained(name))


def _create(name: str, *, image_size: int, in_chans: int, pretrained: bool) -> nn.Module:
    options: dict[str, Any] = {"num_classes": 0, "in_chans": in_chans, "pretrained": pretrained}
    if not name.startswith(_FOLDER) and not is_timm_model(name):
        names = timm.list_models() + timm.list_pretrained()
        near = difflib.get_close_matches(name[:_MAX_NAME], names, n=1, cutoff=0.0)
        raise BackboneError(
            f"no backbone '{name[:_MAX_NAME]}': neither a folder nor a timm model (nearest: '{near[0]}')"
        )
    if _pretrained_cfg(name).get("fixed_input_size"):
        options["img_size"] = image_size
    model: nn.Module = timm.create_model(name, **options)
    return model


def _as_folder(name: str, *, weights: bool) -> str:
    """Return ``local-dir:PATH`` of the cached copy of a name on the hub; return other names as they are."""
    if not name.startswith(_HUB):
        return name
    try:
        return f"{_FOLDER}{fetch_folder(name.partition(':')[2], ['config.json'], weights=weights)}"
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BackboneError(
            f"{name} could not be had from the hub: {reason}; check the name and the connection, or download it and "
            "name the folder"
        ) from error


def _weights_in(name: str) -> str | None:
    """Return the file of a folder that timm takes weights from; None for a name of timm's registry."""
    if not name.startswith(_FOLDER):
        return None
    folder = Path(name.removeprefix(_FOLDER))
    files = [folder / file for file in ("model.safetensors", "pytorch_model.bin")]
    return str(next((file for file in files if file.exists()), files[0]))


@contextmanager
def _size_errors(weights: str) -> Iterator[None]:
    try:
        yield
    except SizeError as error:
        raise BackboneError(f"{weights}: {error}") from error


@contextmanager
def _config_errors(folder: Path) -> Iterator[None]:
    """Turn errors of timm about the ``config.json`` of a backbone folder into one line."""
    try:
        yield
    except Exception as error:  # it raises whatever comes of what it reads there
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(
            f"{folder / 'config.json'}: timm builds no model from it ({type(error).__name__}: {reason})"
        ) from error


def _summary(keys: list[str]) -> str:
    """Summarise state-dict keys by their first two name parts: ``fc.weight, module.encoder_k (62 tensors)``."""
    counts = Counter(".".join(key.split(".")[:2]) for key in keys)
    shown = [part[:60] if count == 1 else f"{part[:60]} ({count} tensors)" for part, count in counts.items()]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")


def _stated_image_size(name: str) -> int:
    return int(_pretrained_cfg(name).get("input_size", (3, 224, 224))[-1])


def _pretrained_cfg(name: str) -> dict[str, Any]:
    if not name.startswith(_FOLDER):
        config = timm.get_pretrained_cfg(name) if is_timm_model(name) else None
        return config.to_dict() if config else {}
    folder = Path(name.removeprefix(_FOLDER))
    with _config_errors(folder):
        check_config(folder)
        model = build_on_meta(lambda: timm.create_model(name, pretrained=False), weights=None)
        return dict(cast(dict[str, Any], model.pretrained_cfg))


def _per_channel(values: tuple[float, ...], channels: int) -> Tensor:
    tensor = torch.tensor(values, dtype=torch.float32)
    return (tensor if len(tensor) == channels else tensor.mean().expand(channels)).reshape(channels, 1, 1).clone()
