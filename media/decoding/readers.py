"""The readers of a video stream, by what of it they take."""

from framegate.media.decoding.decode import ExactReader
from framegate.media.decoding.keyframes import KeyframeReader
from framegate.media.options import Mode

READERS: dict[Mode, type[ExactReader] | type[KeyframeReader]] = {"exact": ExactReader, "keyframe": KeyframeReader}
