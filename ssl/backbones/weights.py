"""Read weights from untrusted files without running code, and fit them to a model whatever their names are.

A state dict comes from framegate, timm, torchvision or lightly, alone or inside a training's checkpoint. The model's
tensors are looked for in each library's key layout and under any prefix. Tensors that the model does not need are left
out and named; tensors that are missing, of another shape or not understood are an error.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from framegate.media.errors import FramegateError
from framegate.ssl.backbones.key_layouts import KeyLayout, key_layouts
from framegate.ssl.backbones.weights_file import read_state_dict

__all__ = [
    "BackboneError",
    "add_tensors",
    "fit_weights",
    "load_weights",
    "read_state_dict",
    "read_weights",
    "save_tensors",
]


class BackboneError(FramegateError, ValueError):
    """Raised for a backbone that does not exist, or weights that do not fit it."""


def save_tensors(tensors: Mapping[str, Tensor], file: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a ``.safetensors`` file with the permissions of the user's other new files.

    Args:
        tensors: by name.
        file: its path.
        metadata: texts for the file's header.

    Raises:
        OSError: the file cannot be written.
    """
    file.touch()
    mode = file.stat().st_mode
    try:
        save_file(dict(tensors), file, metadata=None if metadata is None else dict(metadata))
    except SafetensorError as error:  # the library's name for a full disk
        raise OSError(f"{file}: {error}") from error
    file.chmod(mode)  # the library makes its files private


def add_tensors(digest: "hashlib._Hash", tensors: Mapping[str, Tensor]) -> None:
    """Add the names and the contents of tensors to a digest."""
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())


def load_weights(model: nn.Module, path: Path) -> list[str]:
    """Fill a timm ``model`` from a backbone folder or a state-dict file.

    A transformer's grid of positions is resampled where the model is built for another image size.

    Args:
        model: changed in place.
        path: a folder with ``model.safetensors``, or a file; of a query and a key encoder, the query encoder is taken.

    Returns:
        Names of the tensors that were left out: of a classifier, and of parts outside of the network (projection heads,
        a queue, a key encoder).

    Raises:
        BackboneError: the file is unreadable; or a tensor of the model is missing, or has another shape; or the file's
            network has tensors that the model has no place for.
    """
    return fit_weights(model, read_weights(path), path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a backbone folder or a state-dict file; see :func:`read_state_dict`.

    Raises:
        BackboneError: the file is missing, unreadable or damaged.
    """
    try:
        return read_state_dict(path)
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path}: {error}") from error


def fit_weights(model: nn.Module, found: dict[str, Tensor], path: Path) -> list[str]:
    """Fill a timm ``model`` from the tensors ``found`` in the file at ``path``; see :func:`load_weights`.

    Raises:
        BackboneError: a tensor of the model is missing, or has another shape; or there are tensors of the network that
            the model has no place for.
    """
    wanted = model.state_dict()
    layout, prefix = _best_reading(found, wanted, model)
    place = {key: prefix + layout(key) for key in wanted}
    fitted = {key: _fit(found[name], wanted[key], key, model) for key, name in place.items() if name in found}
    used = set(place.values())
    unused = [name for name in found if name not in used]
    surplus = _surplus(unused, used, prefix, _classifiers(model, layout))
    problems = [
        f"{key} is {tuple(fitted[key].shape)}, not {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in fitted and fitted[key].shape != tensor.shape
    ]
    problems += [f"{key} is missing" for key in wanted if key not in fitted and not _is_optional(key)]
    problems += [f"{key[:40]} has no place in it" for key in surplus]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BackboneError(f"{path}: these weights are not {type(model).__name__}'s: {'; '.join(problems[:3])}{more}")
    model.load_state_dict(wanted | fitted)
    return unused


# Names of the slowly following copy in a checkpoint that holds both encoders; the query encoder is the one to load.
_KEY_ENCODER = re.compile(r"(?:^|[._])(?:k|key|momentum|teacher)(?:[._]|$)")

# What a training keeps beside its network, where both stand under one prefix: names, and parts of names.
_BESIDE = frozenset(("head", "heads", "fc", "classifier", "linear"))
_BESIDE_WITHIN = ("proj", "momentum", "key")
_WORD = re.compile(r"\w+")

# How many prefixes are tried, the shortest first: what names the file has is another's choice.
_MAX_PREFIXES = 40


def _best_reading(found: dict[str, Tensor], wanted: dict[str, Tensor], model: nn.Module) -> tuple[KeyLayout, str]:
    """Return the layout and the prefix (``module.``, ``encoder_q.``, ``backbone.`` …) that find most of ``wanted``."""
    keys = [key for key in wanted if not _is_optional(key)]
    sizes = [wanted[key].numel() for key in keys]
    layouts = key_layouts(model)
    best: tuple[tuple[int, bool, int, bool], KeyLayout, str] | None = None
    for layout in layouts:
        names = [layout(key) for key in keys]
        prefixes = {name.removesuffix(names[-1]) for name in found if name.endswith(names[-1])} | {""}
        for prefix in sorted(sorted(prefixes, key=len)[:_MAX_PREFIXES]):
            there = [(found.get(prefix + name), size) for name, size in zip(names, sizes, strict=True)]
            known = sum(tensor is not None for tensor, _ in there)
            fitting = sum(tensor is not None and tensor.numel() == size for tensor, size in there)
            likely = known > len(keys) / 2  # else another model's file, and best described in timm's own names
            merit = fitting * likely, layout is layouts[0], known, not _KEY_ENCODER.search(prefix)
            if best is None or merit > best[0]:
                best = merit, layout, prefix
    assert best is not None
    return best[1:]


def _fit(tensor: Tensor, wanted: Tensor, key: str, model: Any) -> Tensor:
    """``tensor`` in the model's shape, where that is another way to write the same or a position grid's other size."""
    if key == "pos_embed" and tensor.ndim == wanted.ndim == 3 and tensor.shape[-1] == wanted.shape[-1]:
        beside_grid = 0 if getattr(model, "no_embed_class", False) else int(getattr(model, "num_prefix_tokens", 0))
        side = math.isqrt(tensor.shape[1] - beside_grid)
        if tensor.shape != wanted.shape and side * side == tensor.shape[1] - beside_grid:
            sizes = {"new_size": list(model.patch_embed.grid_size), "old_size": [side, side]}
            resampled: Tensor = resample_abs_pos_embed(tensor, **sizes, num_prefix_tokens=beside_grid)
            return resampled
    # torchvision writes ConvNeXt's layer scale as (C, 1, 1), timm as (C,).
    if tensor.ndim == 3 and tensor.shape == (*wanted.shape, 1, 1):
        return tensor.reshape(wanted.shape)
    return tensor


def _classifiers(model: Any, layout: KeyLayout) -> tuple[str, ...]:
    """Return the prefixes of the names of the classifier's tensors."""
    names = model.pretrained_cfg.get("classifier") or ()
    return tuple(layout(f"{name}.") for name in ((names,) if isinstance(names, str) else names))


def _surplus(unused: list[str], used: Iterable[str], prefix: str, classifiers: tuple[str, ...]) -> list[str]:
    """Return the unused tensors that belong to the network itself: then it is deeper, or another one."""
    parts = {name.removeprefix(prefix).split(".")[0] for name in used}
    inside = [name.removeprefix(prefix) for name in unused if name.startswith(prefix)]
    return [
        name
        for name in inside
        if not name.startswith(classifiers)
        and (name.split(".")[0] in parts or not _is_beside(name.split(".")[0]))
        and not _is_optional(name)
    ]


def _is_optional(key: str) -> bool:
    """Batch counts, which old files lack and nothing needs."""
    return key.endswith("num_batches_tracked")


def _is_beside(part: str) -> bool:
    """Tell whether the first part of a name belongs to a head, a queue or a key encoder."""
    named = part.endswith("head") or part.startswith(("pred", "queue")) or any(name in part for name in _BESIDE_WITHIN)
    return part in _BESIDE or (named and _WORD.fullmatch(part) is not None)
