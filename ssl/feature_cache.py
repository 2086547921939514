"""Features kept beside the frames they were made of, and reused while nothing they depend on has changed."""

import hashlib
import json
import logging
import secrets
import shutil
from collections.abc import Callable

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
    folder = store.path / "features" / f"{name}-{_digest(backbone, store, frames, mask_overlays)}"
    file = folder / "features.safetensors"
    if file.is_file():
        return load_file(file)["features"]
    features = frame_features(
        backbone,
        store,
        frames,
        image_size=backbone.image_size,
        mask_overlays=mask_overlays,
        on_progress=on_progress,
    )
    aside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        aside.mkdir(parents=True)
        tensors = {"features": features, "frames": torch.from_numpy(np.ascontiguousarray(frames))}
        save_tensors(tensors, aside / file.name)
        (aside / "backbone.json").write_text(json.dumps({"name": backbone.name, "image_size": backbone.image_size}))
        aside.replace(folder)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not file.is_file():  # else another process made the same features meanwhile
            _LOG.warning("%s: features are not kept, and will be made anew: %s", store.path, error)
    return features


def _digest(backbone: Backbone, store: FrameStore, frames: np.ndarray, mask_overlays: bool) -> str:
    digest = hashlib.sha256((store.path / "videos.arrow").read_bytes())
    digest.update(np.ascontiguousarray(frames, dtype=np.int64).tobytes())
    digest.update(f"{backbone.image_size}{' masked' if mask_overlays else ''}".encode())
    for name, tensor in [*backbone.state_dict().items(), ("mean", backbone.mean), ("std", backbone.std)]:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
