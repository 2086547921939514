"""Frames, audio and rows of media files: manifests, extraction and the frame store."""

from framegate.media.clip_layout import Layout
from framegate.media.decoding.reading import read_frames
from framegate.media.errors import FramegateError, MediaError
from framegate.media.extraction.extract import extract
from framegate.media.manifest.file_clips import clips_from_files, clips_from_scans, with_splits
from framegate.media.manifest.manifest import Clip, read_manifest, split_labels
from framegate.media.manifest.manifest_rows import ManifestError
from framegate.media.manifest.scan import Scan, scan_folder
from framegate.media.options import ExtractOptions, Limits, Progress, Summary
from framegate.media.pictures.jpeg import decode_jpeg
from framegate.media.store.frame_store import AudioWindow, Frame, FrameStore, Video, clip_audio, clip_frames

__all__ = [
    "AudioWindow",
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
    "Scan",
    "Summary",
    "Video",
    "clip_audio",
    "clip_frames",
    "clips_from_files",
    "clips_from_scans",
    "decode_jpeg",
    "extract",
    "read_frames",
    "read_manifest",
    "scan_folder",
    "split_labels",
    "with_splits",
]
