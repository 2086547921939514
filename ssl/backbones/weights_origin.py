"""Say where weights come from, and under which licence: for the card of what is made of them."""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import timm

from framegate.media.visible import visible
from framegate.ssl.backbones.backbone import is_timm_model
from framegate.ssl.backbones.hub_folder import fetch_folder
from framegate.ssl.backbones.packaged_weights import package_of

_CARD_BYTES = 1 << 16
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_LICENCE = re.compile(r"""^license(_name)?:[ \t]*["']?([\w .+-]{1,60})""", re.MULTILINE)


@dataclass(frozen=True)
class WeightsOrigin:
    """Where weights come from, in a few words, and the name of their licence; None where nothing states one."""

    source: str
    licence: str | None


def weights_origin(name: str, weights: str | None) -> WeightsOrigin:
    """Look up the origin of the weights of a `Backbone`, whose arguments these are; paths are cut to their last names.

    A licence is what timm states of its own weights, the card of a folder or of a model on the hub, or a package's
    metadata. It is read, not judged: the weights' makers may ask more than it says.
    """
    if weights is None:
        return WeightsOrigin("random numbers", None)
    if weights == "package":
        package = package_of(name) or name
        return WeightsOrigin(f"the package {package}", _of_package(package))
    if weights != "timm":
        return _of_path(Path(weights))
    kind, _, rest = name.partition(":")
    if rest and kind == "local-dir":
        return _of_path(Path(rest))
    if rest:
        return WeightsOrigin(f"{rest} on the Hugging Face hub", _of_hub(rest))
    found = timm.get_pretrained_cfg(name) if is_timm_model(name) else None
    tag = f"{name}.{found.tag}" if found is not None and found.tag and "." not in name else name
    return WeightsOrigin(f"{tag} of timm", found.license if found is not None else None)


def _of_path(path: Path) -> WeightsOrigin:
    return WeightsOrigin(visible(path.name), _of_folder(path) if path.is_dir() else None)


def _of_hub(name: str) -> str | None:
    try:
        return _of_folder(fetch_folder(name, ["config.json", "README.md"], weights=False))
    except (OSError, ValueError):
        return None


def _of_folder(folder: Path) -> str | None:
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as card:
            front = _FRONT_MATTER.match(card.read(_CARD_BYTES))
    except OSError:
        return None
    stated = {kind: value.strip() for kind, value in _LICENCE.findall(front[1])} if front else {}
    return stated.get("_name") or stated.get("") or None  # "license: other" comes with a name


def _of_package(package: str) -> str | None:
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return None
    stated = (about[key] for key in ("License-Expression", "License") if key in about)
    return next((licence.splitlines()[0][:60] for licence in stated if licence not in ("", "UNKNOWN")), None)
