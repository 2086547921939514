"""Map HDR and wide-gamut pictures to what an SDR screen shows: sRGB with the primaries of BT.709.

Of the 16-bit numbers of a picture a table makes light, in which reference white (203 cd/m², ITU-R BT.2408) is 1. A
matrix turns it into light of BT.709's primaries; what lies outside of them is mixed with grey of its own luminance,
just so much that it lies inside, which keeps its hue. Light up to `_KNEE` stays as it is; brighter light is rolled off
towards white by one gain for red, green and blue, which keeps hue and saturation. A second table makes sRGB of that.

The curve is the same for all files: metadata of mastering screens is often missing or wrong, and equal scenes should
make equal pictures.
"""

from functools import cache

import cv2
import numpy as np

from framegate.media.pictures.colour_coding import UNKNOWN, ColourTags, Primaries, Transfer

_REFERENCE_WHITE = 203.0  # cd/m²
_PQ_PEAK, _HLG_PEAK = 10_000.0, 1000.0
_PEAK: dict[int, float] = {Transfer.PQ: _PQ_PEAK, Transfer.HLG: _HLG_PEAK}
_KNEE = 0.6  # of reference white, which itself then comes out at 0.8: 231 of 255
_STRIP_PIXELS = 1 << 15  # worked on at a time: what lies between the steps stays in the processor's cache
_LEVELS = 1 << 16
_DARK = np.float32(1e-9)

_LUMINANCE_709 = np.array([0.2126, 0.7152, 0.0722])
_FROM_2020 = [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
_FROM_P3 = [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]]
_TO_709: dict[int, list[list[float]]] = {
    Primaries.BT2020: _FROM_2020,
    Primaries.DISPLAY_P3: _FROM_P3,
    Primaries.DCI_P3: _FROM_P3,  # its greenish white is meant to be seen as white
}
_NEVER_PLAIN = frozenset([Transfer.PQ, Transfer.HLG, Transfer.LINEAR])


class DisplayMap:
    """Turns 16-bit RGB pictures of one kind into sRGB.

    Args:
        transfer: `Transfer.PQ`, `Transfer.HLG` or `Transfer.LINEAR`; any other is an SDR transfer like sRGB's.
        primaries: a member of `Primaries`; any other is taken for BT.709's, which it is near.
    """

    def __init__(self, transfer: int, primaries: int) -> None:
        self._is_hlg = transfer == Transfer.HLG
        self._peak = _PEAK.get(transfer, 0.0) / _REFERENCE_WHITE
        self._light = _light(transfer).astype(np.float32)
        to_709 = np.array(_TO_709.get(primaries, np.eye(3)))
        self._matrix = np.vstack([to_709, _LUMINANCE_709 @ to_709]).astype(np.float32)
        self._code = np.round(255 * _srgb(np.arange(_LEVELS) / (_LEVELS - 1))).astype(np.uint8)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return ``picture`` (H, W, 3) RGB uint16 as (H, W, 3) uint8, sRGB."""
        shown = np.empty(picture.shape, np.uint8)
        rows = max(1, _STRIP_PIXELS // picture.shape[1])
        for top in range(0, len(picture), rows):
            shown[top : top + rows] = self._mapped(picture[top : top + rows])
        return shown

    def _mapped(self, picture: np.ndarray) -> np.ndarray:
        light = np.stack([cv2.LUT(plane, self._light).ravel() for plane in cv2.split(picture)])  # (3, pixels)
        mixed = self._matrix @ light
        rgb, luminance = mixed[:3], mixed[3]
        if self._is_hlg:  # BT.2100: light on a screen of 1000 cd/m² from light before the camera
            mixed *= _HLG_PEAK / _REFERENCE_WHITE * cv2.pow(luminance, 0.2).ravel()
        least, most = rgb.min(axis=0), rgb.max(axis=0)
        kept = luminance / np.maximum(luminance - np.minimum(least, 0), _DARK)  # of the distance from grey
        if self._peak:
            gain = _gain(luminance + (most - luminance) * kept, self._peak)
        else:
            gain = np.ones_like(luminance)
            kept = np.minimum(kept, (1 - luminance) / np.maximum(most - luminance, _DARK))
        rgb -= luminance
        rgb *= kept * gain
        rgb += luminance * gain
        levels = np.clip(rgb * (_LEVELS - 1) + 0.5, 0, _LEVELS - 1).astype(np.uint16)
        codes = cv2.LUT(levels, self._code)
        shown: np.ndarray = cv2.merge([plane.reshape(picture.shape[:2]) for plane in codes])
        return shown


def display_map(tags: ColourTags) -> DisplayMap | None:
    """Return what makes pictures with these tags visible; None where they are to be shown as they are coded."""
    transfer = tags.transfer if tags.transfer in _NEVER_PLAIN else UNKNOWN
    primaries = tags.likely_primaries if tags.likely_primaries in _TO_709 else Primaries.BT709
    return None if (transfer, primaries) == (UNKNOWN, Primaries.BT709) else _shared_map(transfer, primaries)


_shared_map = cache(DisplayMap)  # of few kinds, however many tags a file makes up


def _gain(most: np.ndarray, peak: float) -> np.ndarray:
    """Return the gain for pixels of which the strongest colour has ``most`` light; at ``peak`` it comes out at 1."""
    over = np.maximum(most - _KNEE, 0) / (1 - _KNEE)
    end = (peak - _KNEE) / (1 - _KNEE)
    shoulder = over * (1 + over / end**2) / (1 + over)
    lit = np.maximum(most, _KNEE)
    gain: np.ndarray = (lit + (1 - _KNEE) * (shoulder - over)) / lit
    return gain


def _light(transfer: int) -> np.ndarray:
    """Return the light that each 16-bit number stands for; for HLG light before the camera, 0 to 1."""
    signal = np.arange(_LEVELS) / (_LEVELS - 1)
    if transfer == Transfer.PQ:  # SMPTE ST 2084
        root = signal ** (1 / 78.84375)
        ratio = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return np.asarray(_PQ_PEAK / _REFERENCE_WHITE * ratio ** (1 / 0.1593017578125))
    if transfer == Transfer.HLG:  # ARIB STD-B67
        return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    if transfer == Transfer.LINEAR:
        return signal
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _srgb(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
