"""Features kept beside the frames they were made of, and reused while nothing they depend on has changed.

A store may come from a stranger, and so may features that lie in it. They are used if this user's own framegate made
them: see `kept_tensors`. Whatever else lies under ``STORE/features/`` is left alone.
"""

import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from framegate.media import FrameStore
from framegate.media.errors import FramegateError
from framegate.media.files import (
    folder_aside,
    is_plain_file,
    open_plain,
    remove_parts,
    replace_folder,
    write_text,
)
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.weights import save_tensors
from framegate.ssl.probes.features import frame_features
from framegate.ssl.probes.user_key import user_key

Shape = tuple[int | None, ...]
"""Lengths of a tensor's dimensions; None: any."""

_LOG = logging.getLogger(__name__)
_ABOUT = "backbone.json"


def cached_features(
    backbone: Backbone,
    store: FrameStore,
    frames: np.ndarray,
    *,
    mask_overlays: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Like `frame_features` at the backbone's own image size, from ``STORE/features/NAME-DIGEST/`` if they are there.

    The digest covers the weights, the pixel normalisation, the image size, the store's rows, ``frames`` and
    ``mask_overlays``.

    Shape: ``frames`` (N,) int → (N, dim) float32.
    """
    name = backbone.model.pretrained_cfg["architecture"]
    numbers = torch.from_numpy(np.ascontiguousarray(frames, dtype=np.int64))

    def make() -> dict[str, Tensor]:
        features = frame_features(
            backbone,
            store,
            frames,
            image_size=backbone.image_size,
            mask_overlays=mask_overlays,
            on_progress=on_progress,
        )
        return {"features": features, "frames": numbers}

    digest = store_digest(store, frames)
    digest.update(f"{backbone.image_size}{' masked' if mask_overlays else ''}".encode())
    add_tensors(digest, {**backbone.state_dict(), "mean": backbone.mean, "std": backbone.std})
    shapes: dict[str, Shape] = {"features": (len(frames), backbone.dim), "frames": (len(frames),)}
    about = {"name": name, "image_size": backbone.image_size}
    return kept_tensors(store, name, digest, make, shapes=shapes, about=about)["features"]


def kept_tensors(
    store: FrameStore,
    name: str,
    digest: "hashlib._Hash",
    make: Callable[[], dict[str, Tensor]],
    *,
    shapes: Mapping[str, Shape],
    about: dict[str, Any],
) -> dict[str, Tensor]:
    """What ``STORE/features/NAME-DIGEST/`` holds; where it is not there, what ``make`` gives, which is kept, or not.

    Tensors are taken from there if they bear the code of this user's key (`user_key`), have these shapes, and every
    float of them is finite; else they are made anew, and a warning says why. Each user has folders of their own in a
    store, since the folder's digest covers the key: nobody's features take the place of another's. The code is one of
    the file's digest, so that a file without it is not even read; one with it is read once more than before, for its
    digest, which takes about a second a gigabyte and no memory. Without a key, nothing on the disk is used or kept.

    Args:
        store: the frame store.
        name: of what made them.
        digest: of all that the tensors depend on.
        make: makes them: ``features`` of float32, and others of int64.
        shapes: of each of them, by name.
        about: of what they are, for who looks into the folder; no paths.
    """
    key = user_key()
    if key is None:
        _LOG.warning("%s: features are not kept: there is no place for a key of yours, see $XDG_CACHE_HOME", store.path)
        return make()
    folder = store.path / "features" / f"{name}-{_code(key, digest.digest())[:16]}"
    problem = _links(folder)
    if problem is None and folder.exists():
        try:
            return _load(folder / "features.safetensors", key, shapes)
        except _NotUsedError as error:
            _LOG.warning("%s: these features are made anew: %s", folder, error)
    tensors = make()
    try:
        if problem is not None:
            raise OSError(problem)
        if all(map(_is_finite, tensors.values())):
            _keep(tensors, folder, key, about)
    except OSError as error:
        if not folder.exists():  # else another process made the same features meanwhile
            _LOG.warning("%s: features are not kept, and will be made anew: %s", store.path, error)
    return tensors


class _NotUsedError(FramegateError, ValueError):
    """Why features on the disk are not used."""


def _links(folder: Path) -> str | None:
    """What is wrong with a folder of features that leads elsewhere."""
    for path in (folder, folder.parent):
        if path.is_symlink():
            return f"{path} is a link"
    return None


def _load(file: Path, key: bytes, shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """Read tensors of ours.

    Raises:
        _NotUsedError: they are not, or not whole.
    """
    try:
        with open_plain(file.with_name(_ABOUT), os.O_RDONLY) as about:
            proof = json.loads(about.read(1 << 16))
        sha256, code = bytes.fromhex(proof["sha256"]), str(proof["code"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise _NotUsedError("they bear no code of your key") from None
    if not hmac.compare_digest(code, _code(key, file.parent.name.encode() + sha256)):
        raise _NotUsedError("they bear no code of your key")
    try:
        if not is_plain_file(file) or _file_digest(file) != sha256:
            raise _NotUsedError("the file has changed since it was written")
        with safe_open(file, framework="pt") as tensors:
            found = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118  # no dictionary
            facts = {name: (part.get_shape(), part.get_dtype()) for name, part in found.items()}
            if facts.keys() != shapes.keys() or any(
                not _fits(shape, shapes[name]) or dtype != ("F32" if name == "features" else "I64")
                for name, (shape, dtype) in facts.items()
            ):
                raise _NotUsedError("they have other shapes or types than they should")
            loaded = {name: tensors.get_tensor(name) for name in shapes}
    except (OSError, SafetensorError) as error:
        raise _NotUsedError(f"they cannot be read: {error}") from error
    if not all(map(_is_finite, loaded.values())):
        raise _NotUsedError("they are not all finite")
    return loaded


def _keep(tensors: dict[str, Tensor], folder: Path, key: bytes, about: dict[str, Any]) -> None:
    """Write tensors and what proves that they are ours, whole or not at all."""
    with folder_aside(folder) as aside:
        file = aside / "features.safetensors"
        save_tensors(tensors, file)
        sha256 = _file_digest(file)
        code = _code(key, folder.name.encode() + sha256)
        write_text(aside / _ABOUT, json.dumps({**about, "sha256": sha256.hex(), "code": code}))
        if (old := replace_folder(aside, folder)) is not None:
            remove_parts(old)


def _code(key: bytes, message: bytes) -> str:
    """The message's authentication code (HMAC-SHA256): who lacks the key can neither make nor guess it."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _file_digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, hashlib.sha256).digest()


def _fits(found: list[int], wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(w in (None, f) for f, w in zip(found, wanted, strict=True))


def _is_finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are finite, without a second tensor of its size."""
    return not tensor.numel() or all(bool(torch.isfinite(edge)) for edge in torch.aminmax(tensor))


def store_digest(store: FrameStore, numbers: np.ndarray) -> "hashlib._Hash":
    """Begins a digest with the store's rows, and with which frames or clips of it are meant."""
    digest = hashlib.sha256((store.path / "videos.arrow").read_bytes())
    digest.update(np.ascontiguousarray(numbers, dtype=np.int64).tobytes())
    return digest


def add_tensors(digest: "hashlib._Hash", tensors: Mapping[str, Tensor]) -> None:
    """Adds names and contents."""
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
