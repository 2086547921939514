"""Files to frames, sound and rows: manifests, extraction and the frame store."""

from framegate.media.clip_layout import Layout
from framegate.media.decoding.jpeg import decode_jpeg
from framegate.media.decoding.reading import read_frames
from framegate.media.errors import FramegateError, MediaError
from framegate.media.extraction.extract import extract
from framegate.media.manifest.manifest import Clip, ManifestError, clips_from_files, read_manifest, split_labels
from framegate.media.options import ExtractOptions, Limits, Progress, Summary
from framegate.media.store.frame_store import Frame, FrameStore, SoundWindow, Video, clip_frames, clip_sound

__all__ = [
    "Clip",
    "ExtractOptions",
    "Frame",
    "FrameStore",
    "FramegateError",
    "Layout",
    "Limits",
    "ManifestError",
    "MediaError",
    "Progress",
    "SoundWindow",
    "Summary",
    "Video",
    "clip_frames",
    "clip_sound",
    "clips_from_files",
    "decode_jpeg",
    "extract",
    "read_frames",
    "read_manifest",
    "split_labels",
]
