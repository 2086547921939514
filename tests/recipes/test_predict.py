"""Prediction reads ahead in parts: nothing is lost between them, and no part stays on the disk."""

from pathlib import Path

import pytest

from framegate.media import ExtractOptions, Layout, clips_from_files
from framegate.recipes.predict import read_ahead


def test_parts_come_in_order_with_their_failures_and_leave_nothing_behind(corpus: Path, tmp_path: Path) -> None:
    videos = sorted((corpus / "videos").glob("*.mp4"))[:4]
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    clips = clips_from_files([*videos[:2], broken, *videos[2:]])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    seen, failed, kept = [], [], []
    for store, failures in read_ahead(clips, scratch, options=ExtractOptions(), workers=1, size=2):
        seen += store.videos["id"].to_pylist()
        failed += [failure["id"] for failure in failures]
        kept.append(store.path)
        assert len(store) > 0 or store.videos.num_rows == 0
        assert not any(path.exists() for path in kept[:-1])
    assert seen == [video.stem for video in videos]
    assert failed == ["broken"]
    assert len(kept) == 3
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("wanted", [True, False])
def test_overlays_are_found_if_they_are_wanted(corpus: Path, tmp_path: Path, wanted: bool) -> None:
    clips = clips_from_files(sorted((corpus / "videos").glob("*.mp4"))[:4])
    [layouts] = [
        [store.video(row).layout for row in range(store.videos.num_rows)]
        for store, _ in read_ahead(clips, tmp_path, options=ExtractOptions(), layout=wanted, workers=1)
    ]
    assert any(layout != Layout() for layout in layouts) == wanted


def test_no_clips_are_no_stores(tmp_path: Path) -> None:
    assert list(read_ahead([], tmp_path, options=ExtractOptions())) == []
