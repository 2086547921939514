"""``config.json`` of a classifier folder: the architecture, and how to build its encoders without the network."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError

from framegate.ssl.backbone import Backbone

C = TypeVar("C")


class FolderError(ValueError):
    """A folder that holds no classifier."""


@dataclass(frozen=True, kw_only=True)
class BackboneDescription:
    """A timm architecture, pixels a side, and the pixel mean and deviation (in 0..1) that its weights expect."""

    architecture: str
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Description(Generic[C]):
    """What ``config.json`` holds. The encoders are Hugging Face configs; None for framegate's own, or no stream."""

    config: C
    backbone: BackboneDescription | None
    text_encoder: dict[str, Any] | None
    audio_encoder: dict[str, Any] | None = None


def describe_backbone(backbone: Backbone) -> BackboneDescription:
    """What is needed to build ``backbone`` again, wherever its weights came from."""
    timm_config: dict[str, Any] = backbone.model.pretrained_cfg
    from_folder = backbone.name.startswith("local-dir:")
    return BackboneDescription(
        architecture=timm_config["architecture"] if from_folder else backbone.name,
        image_size=backbone.image_size,
        mean=tuple(backbone.get_buffer("mean").flatten().tolist()),
        std=tuple(backbone.get_buffer("std").flatten().tolist()),
    )


def build_backbone(description: BackboneDescription) -> Backbone:
    """The backbone with random weights, to be filled from a state dict."""
    backbone = Backbone(description.architecture, image_size=description.image_size)
    for name, values in (("mean", description.mean), ("std", description.std)):
        buffer = backbone.get_buffer(name)
        buffer.copy_(torch.tensor(values).view_as(buffer))
    return backbone


def write_config(
    folder: Path,
    *,
    config: dict[str, Any],
    backbone: BackboneDescription | None,
    text_encoder: dict[str, Any] | None,
    audio_encoder: dict[str, Any] | None,
) -> None:
    """Write ``config.json``."""
    content = Description(config=config, backbone=backbone, text_encoder=text_encoder, audio_encoder=audio_encoder)
    text = TypeAdapter(Description[dict[str, Any]]).dump_json(content, indent=2)
    (folder / "config.json").write_bytes(text + b"\n")


def read_config(folder: Path, kind: type[C]) -> Description[C]:
    """Read ``config.json``, whose ``config`` is a ``kind``.

    Raises:
        FolderError: there is none, or it is not a classifier's.
    """
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(Description[kind]).validate_python(content)  # type: ignore[valid-type]
    except FileNotFoundError as error:
        raise FolderError(f"{folder}: no config.json in it; a classifier folder is what fine-tuning writes") from error
    except (ValidationError, json.JSONDecodeError) as error:
        raise FolderError(f"{path}: not a classifier's ({error})") from error
