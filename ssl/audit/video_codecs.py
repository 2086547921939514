"""One picture through a video encoder and its decoder, in memory."""

from fractions import Fraction
from typing import Literal

import av
import cv2
import numpy as np

from framegate.media.errors import MediaError

VideoCodec = Literal["mpeg2", "h264", "vp9"]
_ENCODERS: dict[VideoCodec, str] = {"mpeg2": "mpeg2video", "h264": "libx264", "vp9": "libvpx-vp9"}
_DECODERS: dict[VideoCodec, str] = {"mpeg2": "mpeg2video", "h264": "h264", "vp9": "vp9"}
_BLOCK = 16  # pixels of a macroblock: smaller sizes would be padded by each codec in its own way


def through_codec(image: np.ndarray, codec: VideoCodec, quantizer: int) -> np.ndarray:
    """Return ``image`` as the only frame of a video would be seen.

    Args:
        image: (H, W, 3) RGB uint8, at least a pixel each way.
        codec: which.
        quantizer: the codec's own scale, higher is coarser: 2–31 of MPEG-2, 0–51 of H.264, 0–63 of VP9.

    Raises:
        MediaError: the FFmpeg of this PyAV has no such encoder.
    """
    height, width = image.shape[:2]
    below, beside = -height % _BLOCK, -width % _BLOCK
    padded: np.ndarray = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    encoder = _context(_ENCODERS[codec], "w")
    encoder.height, encoder.width = padded.shape[0], padded.shape[1]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.thread_count = 1
    encoder.options = _options(codec, quantizer)
    frame = av.VideoFrame.from_ndarray(padded, format="rgb24")
    frame.pts, frame.time_base = 0, encoder.time_base
    decoder = _context(_DECODERS[codec], "r")
    decoder.thread_count = 1
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    (decoded,) = [shown for packet in packets for shown in decoder.decode(packet)] + decoder.decode(None)
    return decoded.to_ndarray(format="rgb24")[:height, :width]


def _context(name: str, mode: Literal["r", "w"]) -> av.VideoCodecContext:
    try:
        context = av.CodecContext.create(name, mode)
    except av.codec.codec.UnknownCodecError:
        raise MediaError(f"this PyAV has no {name}, which the audit's codecs need: install PyAV's own wheel") from None
    assert isinstance(context, av.VideoCodecContext)
    return context


def _options(codec: VideoCodec, quantizer: int) -> dict[str, str]:
    value = str(quantizer)
    match codec:
        case "mpeg2":
            return {"qmin": value, "qmax": value}
        case "h264":
            return {"qp": value, "preset": "veryfast"}
        case "vp9":
            return {"crf": value, "qmin": value, "qmax": value, "b": "0", "deadline": "realtime", "cpu-used": "8"}
