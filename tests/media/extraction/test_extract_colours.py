"""A store holds colours as the eye would see them, and says where it cannot."""

import json
from pathlib import Path

import numpy as np

from framegate.media import Clip, ExtractOptions, FrameStore, clip_frames, extract
from tests.media.pictures.coded_video import write_frame

PQ_WHITE = 0.58069  # of the signal: 203 cd/m²


def test_hdr_is_bright_the_invisible_unseen_and_an_unreadable_coding_named(tmp_path: Path) -> None:
    luma = np.full((64, 96), round((219 * PQ_WHITE + 16) * 4), "<u2")
    chroma = np.full((32, 48), 512, "<u2")
    planes = [luma, chroma, chroma]
    invisible = np.full((64, 96, 4), (230, 20, 30, 0), np.uint8)
    videos = [
        write_frame(tmp_path / "hdr.mkv", planes, "yuv420p10le", tags=(9, 9, 16), full=False),
        write_frame(tmp_path / "alpha.webm", [invisible], "rgba", codec="libvpx-vp9", coded_as="yuva420p"),
        write_frame(tmp_path / "ictcp.mkv", planes, "yuv420p10le", tags=(14, 9, 16), full=False),
    ]
    clips = [Clip(id=video.stem, video=video, programme="p", split="train") for video in videos]
    summary = extract(clips, tmp_path / "store", options=ExtractOptions(mode="exact"), workers=1)
    assert (summary.ok, summary.failed) == (2, 1)
    store = FrameStore(tmp_path / "store")
    assert clip_frames(store, 0).min() > 220
    assert np.ptp(clip_frames(store, 1)) < 8
    line = json.loads((tmp_path / "store" / "failures.jsonl").read_text())
    assert (line["id"], line["stage"], line["status"]) == ("ictcp", "video", "failed")
    assert line["error"] == "colours in ICtCp are not supported: convert the video to Y'CbCr"
