"""Features kept beside the frames they were made of, and reused while nothing they depend on has changed."""

import hashlib
import json
import logging
import secrets
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from framegate.media import FrameStore
from framegate.ssl.backbone import Backbone
from framegate.ssl.features import frame_features
from framegate.ssl.weights import save_tensors

_LOG = logging.getLogger(__name__)


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

    def make() -> dict[str, Tensor]:
        features = frame_features(
            backbone,
            store,
            frames,
            image_size=backbone.image_size,
            mask_overlays=mask_overlays,
            on_progress=on_progress,
        )
        return {"features": features, "frames": torch.from_numpy(np.ascontiguousarray(frames))}

    digest = store_digest(store, frames)
    digest.update(f"{backbone.image_size}{' masked' if mask_overlays else ''}".encode())
    add_tensors(digest, {**backbone.state_dict(), "mean": backbone.mean, "std": backbone.std})
    about = {"name": backbone.name, "image_size": backbone.image_size}
    return kept_tensors(store, f"{name}-{digest.hexdigest()[:16]}", make, about=about)["features"]


def kept_tensors(
    store: FrameStore, name: str, make: Callable[[], dict[str, Tensor]], *, about: dict[str, Any]
) -> dict[str, Tensor]:
    """What ``STORE/features/NAME/`` holds; where it is not there, what ``make`` gives, which is kept, whole or not.

    Args:
        store: the frame store.
        name: NAME-DIGEST, the digest of all that the tensors depend on.
        make: makes them, ``features`` among them.
        about: of what they are, for who looks into the folder.
    """
    folder = store.path / "features" / name
    file = folder / "features.safetensors"
    if file.is_file():
        return load_file(file)
    tensors = make()
    aside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        aside.mkdir(parents=True)
        save_tensors(tensors, aside / file.name)
        (aside / "backbone.json").write_text(json.dumps(about))
        aside.replace(folder)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not file.is_file():  # else another process made the same features meanwhile
            _LOG.warning("%s: features are not kept, and will be made anew: %s", store.path, error)
    return tensors


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
