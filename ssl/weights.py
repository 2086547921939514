"""Weights that somebody else wrote: read without running anything in them, and fitted to a model whatever their names.

A state dict comes from framegate, timm, torchvision or lightly, alone or inside a training's checkpoint. The model's
tensors are looked for in each library's key layout and under any prefix; what is of no use to the model is left out and
named, and what is missing, of another shape or not understood is an error.
"""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from framegate.ssl.key_layouts import KeyLayout, key_layouts


class BackboneError(ValueError):
    """A backbone that does not exist, or weights that do not fit it."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` or ``.pth`` file, or of the ``model.safetensors`` in a folder.

    A checkpoint that nests its tensors under ``state_dict`` or ``model`` is unwrapped. Pickles are read with
    ``weights_only=True``: a file can name tensors, not code.

    Raises:
        ValueError: the file is damaged or holds no tensors.
        OSError: the file is missing or unreadable.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"not a safetensors file ({error})") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises whatever its unpickler met; to the user all of it means one thing
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"not a file of plain tensors ({reason})") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}, not a dictionary of tensors")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        known = ", ".join(map(str, list(content)[:5]))
        raise ValueError(f"no tensors in it, nor under 'state_dict' or 'model' (it has: {known})")
    return tensors


def save_tensors(tensors: Mapping[str, Tensor], file: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a ``.safetensors`` file that whoever may read the user's other new files may read, too.

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


def load_weights(model: nn.Module, path: Path) -> list[str]:
    """Fill a timm ``model`` from a backbone folder or a state-dict file.

    A transformer's grid of positions is resampled where the model is built for another image size.

    Args:
        model: changed in place.
        path: a folder with ``model.safetensors``, or a file; of a query and a key encoder the query encoder is taken.

    Returns:
        The file's tensors that were left out: a classifier, and what stands outside of the network (projection heads,
        a queue, a key encoder).

    Raises:
        BackboneError: the file is unreadable; or a tensor of the model is missing, or has another shape; or the file's
            network has tensors that the model has no place for.
    """
    try:
        found = read_state_dict(path)
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path}: {error}") from error
    wanted = model.state_dict()
    layout, prefix = _best_reading(found, wanted, model)
    place = {key: prefix + layout(key) for key in wanted}
    fitted = {key: _fit(found[name], wanted[key], key, model) for key, name in place.items() if name in found}
    unused = [name for name in found if name not in place.values()]
    surplus = _surplus(unused, place.values(), prefix, _classifiers(model, layout))
    problems = [
        f"{key} is {tuple(fitted[key].shape)}, not {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in fitted and fitted[key].shape != tensor.shape
    ]
    problems += [f"{key} is missing" for key in wanted if key not in fitted and not _is_optional(key)]
    problems += [f"{key} has no place in it" for key in surplus]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BackboneError(f"{path}: these weights are not {type(model).__name__}'s: {'; '.join(problems[:3])}{more}")
    model.load_state_dict(wanted | fitted)
    return unused


# Names of the slowly following copy in a checkpoint that holds both encoders; the query encoder is the one to load.
_KEY_ENCODER = re.compile(r"(?:^|[._])(?:k|key|momentum|teacher)(?:[._]|$)")

# What a training keeps beside its network, where both stand under one prefix.
_BESIDE = re.compile(r"heads?|fc|classifier|linear|\w*head|\w*proj\w*|pred\w*|queue\w*|\w*momentum\w*|\w*key\w*")


def _best_reading(found: dict[str, Tensor], wanted: dict[str, Tensor], model: nn.Module) -> tuple[KeyLayout, str]:
    """The layout and the prefix (``module.``, ``encoder_q.``, ``backbone.`` …) that find the most of ``wanted``."""
    keys = [key for key in wanted if not _is_optional(key)]
    layouts = key_layouts(model)
    readings = []
    for layout in layouts:
        last = layout(keys[-1])
        prefixes = {name.removesuffix(last) for name in found if name.endswith(last)} | {""}
        readings += [(layout, prefix) for prefix in sorted(prefixes)]

    def merit(reading: tuple[KeyLayout, str]) -> tuple[int, bool, int, bool]:
        layout, prefix = reading
        there = [key for key in keys if prefix + layout(key) in found]
        fitting = [key for key in there if found[prefix + layout(key)].numel() == wanted[key].numel()]
        likely = len(there) > len(keys) / 2  # else it is another model's file, and best described in timm's own names
        return len(fitting) * likely, layout is layouts[0], len(there), not _KEY_ENCODER.search(prefix)

    return max(readings, key=merit)


def _fit(tensor: Tensor, wanted: Tensor, key: str, model: nn.Module) -> Tensor:
    """``tensor`` in the model's shape, where that is another way to write the same or a position grid's other size."""
    if key == "pos_embed" and tensor.ndim == wanted.ndim == 3 and tensor.shape[-1] == wanted.shape[-1]:
        beside_grid = 0 if getattr(model, "no_embed_class", False) else int(getattr(model, "num_prefix_tokens", 0))
        side = math.isqrt(tensor.shape[1] - beside_grid)
        if tensor.shape != wanted.shape and side * side == tensor.shape[1] - beside_grid:
            size = list(model.patch_embed.grid_size)  # type: ignore[union-attr, arg-type]
            return resample_abs_pos_embed(tensor, new_size=size, old_size=[side, side], num_prefix_tokens=beside_grid)
    # torchvision writes ConvNeXt's layer scale as (C, 1, 1), timm as (C,).
    if tensor.ndim == 3 and tensor.shape == (*wanted.shape, 1, 1):
        return tensor.reshape(wanted.shape)
    return tensor


def _classifiers(model: nn.Module, layout: KeyLayout) -> tuple[str, ...]:
    """Where the classifier's tensors stand: prefixes of their names."""
    names = model.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr, operator]
    return tuple(layout(f"{name}.") for name in ((names,) if isinstance(names, str) else names))


def _surplus(unused: list[str], used: Iterable[str], prefix: str, classifiers: tuple[str, ...]) -> list[str]:
    """Of the tensors without a use, those that belong to the network: it is a deeper or another one."""
    parts = {name.removeprefix(prefix).split(".")[0] for name in used}
    inside = [name.removeprefix(prefix) for name in unused if name.startswith(prefix)]
    return [
        name
        for name in inside
        if not name.startswith(classifiers)
        and (name.split(".")[0] in parts or not _BESIDE.fullmatch(name.split(".")[0]))
        and not _is_optional(name)
    ]


def _is_optional(key: str) -> bool:
    """Batch counts, which old files lack and nothing needs."""
    return key.endswith("num_batches_tracked")
