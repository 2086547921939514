"""The Arrow schemas of a frame store's tables, and the names of its files."""

from pathlib import Path

import pyarrow as pa

_BOXES = pa.list_(pa.list_(pa.float32(), 5))

FRAMES = pa.schema(
    {
        "video_id": pa.string(),
        "source": pa.string(),
        "time": pa.float64(),
        "shot": pa.int32(),
        "jpeg": pa.binary(),
        "width": pa.int32(),
        "height": pa.int32(),
    }
)
AUDIO = pa.schema({"video_id": pa.string(), "start": pa.float64(), "rate": pa.int32(), "pcm": pa.binary()})
VIDEOS = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "programme": pa.string(),
        "label": pa.string(),
        "split": pa.string(),
        "title": pa.string(),
        "description": pa.string(),
        "duration": pa.float64(),
        "frames": pa.int32(),
        "asked_frames": pa.int32(),
        "has_audio": pa.bool_(),
        "status": pa.string(),
        "borders": pa.list_(pa.float32(), 4),
        "logos": _BOXES,
        "subtitles": _BOXES,
    }
)
VIDEOS_WITH_NOTES = VIDEOS.append(pa.field("notes", pa.string()))
"""The table as it is written: what a clip that lacks nothing has to tell comes along, and no reader depends on it."""
VIDEOS_BEFORE_ASKED = VIDEOS.remove(VIDEOS.get_field_index("asked_frames"))
"""The table of stores that do not tell how many frames were asked for: framegate 0.2 and before."""


def frames_shard(store: Path, number: int) -> Path:
    """Return the path of frames shard ``number``."""
    return store / f"frames-{number:05d}.arrow"


def audio_shard(store: Path, number: int) -> Path:
    """Return the path of audio shard ``number``."""
    return store / f"audio-{number:05d}.arrow"
