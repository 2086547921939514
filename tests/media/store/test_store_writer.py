from pathlib import Path

import pytest

import framegate.media.store.store_writer as store_writer
from framegate.media.store.part import PartWriter
from framegate.media.store.store_writer import StoreWriter


def write_part(folder: Path, index: int) -> None:
    part = PartWriter(folder, index, video_id=f"c{index}")
    for time in range(3):
        part.frame(source="x", time=float(time), shot=0, jpeg=b"x" * 1000, width=8, height=8)
    row = {"id": f"c{index}", "frames": 3, "status": "ok"}
    part.finish(row=row, failure={"id": f"c{index}", "status": "partial"} if index % 2 else None)


def test_a_commit_counts_its_own_clips_whatever_else_has_finished(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 1)
    writer = StoreWriter(tmp_path, total=6)
    for index in (4, 1, 0, 5):  # of which 0 and 1 can be committed
        write_part(writer.parts, index)
        writer.add(index)
    assert (writer.state.clips, writer.tally) == (2, {"ok": 2, "partial": 2, "frames": 12, "asked_frames": 12})
    resumed = StoreWriter(tmp_path, total=6)
    assert resumed.take_over() == [2, 3]
    assert resumed.tally == writer.tally
    for index in (3, 2):
        write_part(resumed.parts, index)
        resumed.add(index)
    assert (resumed.state.clips, resumed.state.tally) == (6, {"ok": 3, "partial": 3, "frames": 18, "asked_frames": 18})


@pytest.mark.parametrize("left", ["frames-00001.arrow", "audio-00001.arrow"])
def test_what_a_killed_commit_has_left_is_overwritten(tmp_path: Path, left: str, monkeypatch) -> None:
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 1)
    writer = StoreWriter(tmp_path, total=2)
    write_part(writer.parts, 0)
    writer.add(0)
    (tmp_path / left).write_bytes(b"half a shard")
    write_part(writer.parts, 1)
    resumed = StoreWriter(tmp_path, total=2)
    assert resumed.take_over() == []
    resumed.finish()
    assert (tmp_path / left).read_bytes()[:4] == b"\xff\xff\xff\xff"
    assert (tmp_path / "videos.arrow").exists()
