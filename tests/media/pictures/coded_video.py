"""Videos of one frame whose coded numbers are known, and the colours that come out of them."""

from pathlib import Path

import av
import numpy as np

from framegate.media import read_frames
from framegate.media.decoding.decode import ExactReader
from framegate.media.decoding.source import open_media
from framegate.media.pictures.picture import FramePainter

UNSAID = 2


def write_frame(
    path: Path,
    planes: list[np.ndarray],
    pixels: str,
    *,
    codec: str = "ffv1",
    coded_as: str | None = None,
    tags: tuple[int, int, int] = (UNSAID, UNSAID, UNSAID),
    full: bool | None = None,
) -> Path:
    """Write planes (H, W) or (H, W, channels) in FFmpeg's format ``pixels`` as a video of a frame, or two.

    Args:
        coded_as: the encoder's pixel format, where it is another.
        tags: matrix, primaries and transfer, as numbers.
        full: the range that is tagged, if any.
    """
    height, width = planes[0].shape[:2]
    frame = av.VideoFrame(width, height, pixels)
    for plane, values in zip(frame.planes, planes, strict=True):
        lines = values.reshape(len(values), -1).view(np.uint8)
        padded = np.zeros((len(lines), plane.line_size), np.uint8)
        padded[:, : lines.shape[1]] = lines
        plane.update(padded)
    if coded_as is not None:
        frame = frame.reformat(format=coded_as)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = width, height, coded_as or pixels
        if codec.startswith("libvpx"):
            stream.codec_context.options = {"auto-alt-ref": "0", "crf": "4", "b": "2M"}
        for tagged in (stream.codec_context, frame):
            tagged.colorspace, tagged.color_primaries, tagged.color_trc = tags
            tagged.color_range = 0 if full is None else 1 + full
        for number in range(2):
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def first_picture(path: Path, size: int | None = None) -> np.ndarray:
    """The first frame as it is painted, at a short side of ``size`` or as large as it is coded."""
    if size is None:
        return read_frames(path, [0.0])[0][1]
    with open_media(path) as container:
        stream = container.streams.video[0]
        ((_, shown),) = ExactReader(container, stream).frames_at([0.0])
        return FramePainter.of_stream(stream, size=size).paint(shown.frame)
