"""The trace of an encoder: a picture coded as a JPEG of low quality, and decoded again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegCoding:
    """A JPEG of ``quality`` 1–100, its colours at half the detail or not (4:2:0 or 4:4:4).

    JPEG costs a tenth of a millisecond for a small view, a video encoder that is opened for one frame costs many times
    that; and key frames of MPEG-2 are coded in the same way.
    """

    quality: int
    half_chroma: bool

    @classmethod
    def draw(cls, rng: random.Random) -> JpegCoding:
        """Return a random coding, a function of ``rng``: qualities 4 to 60, low ones more often."""
        return cls(quality=round(math.exp(rng.uniform(math.log(4), math.log(60)))), half_chroma=rng.random() < 0.8)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return ``image`` (H, W, 3) RGB uint8 as the decoder gives it back."""
        sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if self.half_chroma else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        settings = [cv2.IMWRITE_JPEG_QUALITY, self.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB)
        assert decoded is not None
        return decoded
