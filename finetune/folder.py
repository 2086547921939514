"""``config.json`` of a classifier folder: the architecture, and how to build its encoders without the network."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from huggingface_hub import HfApi, snapshot_download
from pydantic import TypeAdapter
from torch import nn

from framegate.ssl.backbone import Backbone
from framegate.ssl.weights import read_state_dict

C = TypeVar("C")


class FolderError(ValueError):
    """A folder that holds no classifier."""


HUB = "hf-hub:"
"""Before the name of a classifier on the Hugging Face hub, as timm has it."""


def local_classifier(reference: str | Path) -> Path:
    """The folder that ``reference`` names; of ``hf-hub:OWNER/NAME``, its copy in the hub's cache, fetched if need be.

    Raises:
        FolderError: the hub has no such classifier, or cannot be reached.
    """
    name = str(reference)
    if not name.startswith(HUB):
        return Path(reference)
    try:
        return Path(snapshot_download(name.removeprefix(HUB), ignore_patterns=["*.py", "*.bin", "*.pt", "*.pth"]))
    except (OSError, ValueError) as error:
        raise FolderError(f"{name}: {str(error).strip().splitlines()[0]}") from error


def push_classifier(folder: Path, name: str, *, private: bool = True) -> str:
    """Upload a classifier folder to the hub as ``OWNER/NAME``, and give its address; who is logged in must own it.

    Raises:
        FolderError: the folder holds no classifier, or the hub does not take it.
    """
    if not (folder / "model.safetensors").is_file() or not (folder / "taxonomy.csv").is_file():
        raise FolderError(f"{folder}: no classifier to push; a classifier folder is what fine-tuning writes")
    hub = HfApi()
    try:
        hub.create_repo(name, private=private, exist_ok=True)
        return str(hub.upload_folder(folder_path=folder, repo_id=name, commit_message="framegate classifier"))
    except (OSError, ValueError) as error:
        raise FolderError(f"{HUB}{name}: {str(error).strip().splitlines()[0]}") from error


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


def need(path: Path) -> Path:
    """``path``, which a whole classifier folder has.

    Raises:
        FolderError: it is not there.
    """
    if not path.exists():
        raise FolderError(f"{path.parent}: no {path.name} in it; a classifier folder is what fine-tuning writes")
    return path


def fill(model: nn.Module, weights: Path) -> None:
    """Put a classifier's tensors into ``model``.

    Raises:
        FolderError: the file is damaged, or another classifier's.
    """
    try:
        model.load_state_dict(read_state_dict(weights))
    except (ValueError, RuntimeError) as error:
        raise FolderError(f"{weights}: {' '.join(str(error).split())[:400]}") from error


def describe_backbone(backbone: Backbone) -> BackboneDescription:
    """What is needed to build ``backbone`` again, wherever its weights came from."""
    timm_config: dict[str, Any] = backbone.model.pretrained_cfg
    elsewhere = ":" in backbone.name  # local-dir:PATH, hf-hub:OWNER/NAME: neither is needed again
    return BackboneDescription(
        architecture=timm_config["architecture"] if elsewhere else backbone.name,
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
    path = need(folder / "config.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(Description[kind]).validate_python(content)  # type: ignore[valid-type]
    except ValueError as error:
        raise FolderError(f"{path}: not a classifier's ({error})") from error
