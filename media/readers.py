"""The readers of a video stream, by what of it they take."""

from framegate.media.decode import ExactReader
from framegate.media.keyframes import KeyframeReader
from framegate.media.options import Mode

READERS: dict[Mode, type[ExactReader] | type[KeyframeReader]] = {"exact": ExactReader, "keyframe": KeyframeReader}
