"""A sheet of views to look at, before an hour of training is spent on them."""

from pathlib import Path

import cv2
import numpy as np
import torch

from framegate.augment import Anchor, ViewPolicy
from framegate.augment.attention import activation_map
from framegate.augment.sheet import Attention, draw_sheet
from framegate.media import FrameStore, MediaError
from framegate.media.evenly_spaced import evenly_spaced
from framegate.recipes.reports.outputs import claim_output, signed_picture, write_output
from framegate.recipes.reports.results import Result
from framegate.ssl.backbones.backbone import Backbone, load_backbone

_CELLS = 7
"""Attention takes a map of this many cells a side."""


def draw_views(
    store: Path, out: Path, *, frames: int = 8, image_size: int = 128, seed: int = 0, backbone: str | None = None
) -> Result:
    """Draw evenly spaced frames of a store with their views, each augmentation alone, and the overlays found on them.

    Args:
        store: a frame store.
        out: the picture, PNG or JPEG.
        frames: columns.
        image_size: pixels a side.
        seed: of all draws.
        backbone: adds what its attention would drop and zoom into.

    Raises:
        MediaError: the store has no frames, or the picture's kind is unknown.
        OutputError: framegate did not write the picture that is there.
    """
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise MediaError(f"{out}: name a .png or .jpg file")
    claim_output(out)
    opened = FrameStore(store)
    if not len(opened):
        raise MediaError(f"{store} holds no frames")
    chosen = evenly_spaced(len(opened), frames).tolist()
    anchors = [Anchor(opened.jpeg(i), opened.video(int(opened.video_of[i])).layout) for i in chosen]
    attention = _attention(load_backbone(backbone, image_size=image_size)) if backbone else None
    sheet = draw_sheet(anchors, ViewPolicy(), image_size=image_size, seed=seed, attention=attention)
    write_output(out, signed_picture(cv2.imencode(out.suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()))
    return Result({"sheet": str(out), "frames": chosen}, f"{out}: {len(chosen)} frames of {store}")


def _attention(backbone: Backbone) -> Attention:
    @torch.no_grad()
    def maps(pictures: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        return activation_map(backbone.eval().feature_map(images, least=_CELLS))[:, 0].numpy()

    return maps
