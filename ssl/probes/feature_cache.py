"""Cache features in the store, and reuse them while nothing that they depend on has changed.

A store may come from an untrusted source, and so may the features in it. They are used only if this user's framegate
made them: see `kept_tensors`. Other files under ``STORE/features/`` are left alone.
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
from framegate.ssl.backbones.weights import add_tensors, save_tensors
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
    """Return features as `frame_features` computes them, from ``STORE/features/NAME-DIGEST/`` if they are there.

    They are computed at the image size of the backbone.

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
    """Return the tensors in ``STORE/features/NAME-DIGEST/``; without any, call ``make`` and keep its tensors there.

    Tensors on the disk are used if they carry an authentication code by this user's key (`user_key`), have the given
    shapes, and are finite; otherwise they are made anew, and a warning says why. The folder's digest covers the key, so
    each user has separate folders in a store. The code covers the digest of the file: a file without a valid code is
    not read, and a file with one is read once more to check its digest, which takes about a second a gigabyte and no
    memory. Without a key, nothing on the disk is used or kept.

    Args:
        store: the frame store.
        name: of the model that makes the tensors.
        digest: of everything that the tensors depend on.
        make: computes the tensors: ``features`` in float32, all others in int64.
        shapes: of the tensors, by name.
        about: a description for people who look into the folder; without paths.
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
    """Return an error message if a folder of features, or the folder above it, is a link; else None."""
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
    """Return the message's authentication code (HMAC-SHA256), which cannot be made without the key."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _file_digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, hashlib.sha256).digest()


def _fits(found: list[int], wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(w in (None, f) for f, w in zip(found, wanted, strict=True))


def _is_finite(tensor: Tensor) -> bool:
    """Tell whether all numbers of a tensor are finite, without a second tensor of its size."""
    return not tensor.numel() or all(bool(torch.isfinite(edge)) for edge in torch.aminmax(tensor))


def store_digest(store: FrameStore, numbers: np.ndarray) -> "hashlib._Hash":
    """Start a digest with the store's rows and the numbers (N,) of the frames or clips that are used."""
    digest = hashlib.sha256((store.path / "videos.arrow").read_bytes())
    digest.update(np.ascontiguousarray(numbers, dtype=np.int64).tobytes())
    return digest
