"""``config.json`` of a classifier folder: the architecture, and how to build its encoders without the network."""

import glob
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import torch
from huggingface_hub import HfApi, snapshot_download
from pydantic import Field, TypeAdapter, ValidationError
from torch import nn

from framegate.finetune.encoders.encoder_trust import in_a_line
from framegate.media.errors import FramegateError
from framegate.media.files import folder_aside, write_text
from framegate.media.json_files import read_json
from framegate.media.owned import MODELS, put_in_place
from framegate.ssl.backbones.backbone import Backbone, is_timm_model
from framegate.ssl.backbones.backbone_folder import MAX_IMAGE_SIZE
from framegate.ssl.backbones.weights_file import read_shapes, read_state_dict

C = TypeVar("C")


class FolderError(FramegateError, ValueError):
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
        raise FolderError(f"{name}: {in_a_line(error)}") from error


def push_classifier(
    folder: Path, name: str, *, private: bool = True, confirm: Callable[[str], bool] | None = None
) -> str:
    """Upload a classifier folder to the hub as ``OWNER/NAME``, and give its address; who is logged in must own it.

    Of the folder go the files of a classifier alone, see `known_files`.

    Args:
        folder: a classifier folder.
        name: the repository, which is made if need be.
        private: how it is made.
        confirm: asked whether to upload to a repository that everybody can read already; None: no.

    Raises:
        FolderError: the folder holds no classifier, or a link in the place of a file of it; the hub does not take it;
            or the repository is public, and ``confirm`` did not agree.
    """
    files = known_files(folder)
    if not {"model.safetensors", "taxonomy.csv"} <= set(files):
        raise FolderError(f"{folder}: no classifier to push; a classifier folder is what fine-tuning writes")
    if (link := next((file for file in files if (folder / file).is_symlink()), None)) is not None:
        raise FolderError(f"{folder / link} is a link: push a folder that framegate export wrote")
    hub = HfApi()
    with _hub_errors(name):
        is_public = hub.repo_exists(name) and not hub.repo_info(name).private
    if is_public and not (confirm and confirm(f"{name} is public: everybody will see this classifier. Upload it?")):
        raise FolderError(f"{HUB}{name} is public, and nothing was uploaded: say --public, or name a private one")
    with _hub_errors(name):
        hub.create_repo(name, private=private, exist_ok=True)
        patterns = [glob.escape(file) for file in files]
        message = "framegate classifier"
        return str(hub.upload_folder(folder_path=folder, repo_id=name, commit_message=message, allow_patterns=patterns))


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the hub's client lets through whatever its HTTP library raises
        raise FolderError(f"{HUB}{name}: {in_a_line(error)}") from error


def known_files(folder: Path) -> list[str]:
    """The files of a classifier that ``folder`` has, relative to it; links are named, and not followed.

    Of ``tokenizer/`` and ``sound/`` those of the kinds that transformers writes.
    """
    files = [name for name in _FILES if (folder / name).is_file()]
    for inner in ("tokenizer", "sound"):
        if (folder / inner).is_symlink():
            files.append(inner)
        elif (folder / inner).is_dir():
            kept = [path for path in sorted((folder / inner).iterdir()) if path.suffix in _SUFFIXES and path.is_file()]
            files += [f"{inner}/{path.name}" for path in kept if not path.name.startswith(".")]
    return files


_FILES = ("config.json", "model.safetensors", "taxonomy.csv", "preprocessing.json", "README.md")
_SUFFIXES = (".json", ".jinja", ".model", ".txt")


def replace_classifier_folder(folder: Path, write: Callable[[Path], None], *, card: str) -> None:
    """Let a new classifier folder take the place of ``folder``, whole and marked as framegate's; never half of it.

    Args:
        folder: where to; an older classifier there is replaced, and nothing else, see `framegate.media.owned`.
        write: writes the classifier into a new folder: `GatedFusionClassifier.save_pretrained`, or another format's.
        card: the model card, Markdown.

    Raises:
        NotOursError: ``folder`` holds something that no export wrote.
    """
    with folder_aside(folder) as aside:
        write(aside)
        write_text(aside / "README.md", card)
        put_in_place(aside, folder, kind="classifier", kinds=MODELS)


@dataclass(frozen=True, kw_only=True)
class BackboneDescription:
    """A timm architecture, pixels a side, and the pixel mean and deviation (in 0..1) that its weights expect."""

    architecture: Annotated[str, Field(max_length=100)]
    image_size: Annotated[int, Field(ge=1, le=MAX_IMAGE_SIZE)]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not is_timm_model(self.architecture):
            raise ValueError(f"timm has no model '{self.architecture[:100]}'")


@dataclass(frozen=True, kw_only=True)
class Description(Generic[C]):
    """What ``config.json`` holds. The encoders are Hugging Face configs; None for framegate's own, or no stream."""

    config: C
    backbone: BackboneDescription | None
    text_encoder: dict[str, Any] | None
    audio_encoder: dict[str, Any] | None = None


def need(path: Path) -> Path:
    """Return ``path``; raise if the classifier folder lacks it.

    Raises:
        FolderError: it does not exist.
    """
    if not path.exists():
        raise FolderError(f"{path.parent}: no {path.name} in it; a classifier folder is what fine-tuning writes")
    return path


def check_shapes(model: nn.Module, shapes: Mapping[str, tuple[int, ...]], weights: Path) -> None:
    """Check that a file holds a model's tensors, by their names and ``shapes``, before the model takes any memory.

    Raises:
        FolderError: it is another classifier's.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    problems = {
        "Missing key": [name for name in wanted if name not in shapes],
        "Unexpected key": [name for name in shapes if name not in wanted],
        "Another shape": [name for name, shape in wanted.items() if shapes.get(name, shape) != shape],
    }
    found = [f"{what}: {_some(names)}" for what, names in problems.items() if names]
    if found:
        raise FolderError(f"{weights}: another classifier's weights. {'. '.join(found)}")


def count_numbers(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Count the numbers in tensors of these ``shapes``."""
    return sum(math.prod(shape) for shape in shapes.values())


def read_weight_shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of a classifier's tensors, from the head of their file.

    Raises:
        FolderError: the file is damaged.
    """
    try:
        return read_shapes(weights)
    except (OSError, ValueError) as error:
        raise FolderError(f"{weights}: {error}") from error


def fill(model: nn.Module, weights: Path) -> None:
    """Put a classifier's tensors into ``model``.

    Raises:
        FolderError: the file is damaged, or another classifier's.
    """
    try:
        model.load_state_dict(read_state_dict(weights))
    except (ValueError, RuntimeError) as error:
        raise FolderError(f"{weights}: {' '.join(str(error).split())[:200]}") from error


def _some(names: list[str]) -> str:
    return names[0][:60] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


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
        content = read_json(path)
        return TypeAdapter(Description[kind]).validate_python(content)  # type: ignore[valid-type]  # known at run time
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        raise FolderError(f"{path}: not a classifier's ({where}: {first['msg'][:120]})") from error
    except ValueError as error:
        raise FolderError(f"{path}: not a classifier's ({error})") from error
