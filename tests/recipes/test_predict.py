"""Prediction reads ahead in parts: nothing is lost between them, and no part stays on the disk."""

from pathlib import Path

from framegate.media import ExtractOptions, Layout, clips_from_files
from framegate.recipes.predict import read_ahead


def test_parts_come_in_order_with_their_failures_and_leave_nothing_behind(corpus: Path, tmp_path: Path) -> None:
    videos = sorted((corpus / "videos").glob("*.mp4"))[:4]
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    clips = clips_from_files([*videos[:2], broken, *videos[2:]])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    seen, failed, kept, looks = [], [], [], []
    for store, failures in read_ahead(clips, scratch, options=ExtractOptions(), layout=True, workers=1, size=2):
        looks += [store.video(row).layout != Layout() for row in range(store.videos.num_rows)]
        seen += store.videos["id"].to_pylist()
        failed += [failure["id"] for failure in failures]
        kept.append(store.path)
        assert len(store) > 0 or store.videos.num_rows == 0
        assert not any(path.exists() for path in kept[:-1])
    assert seen == [video.stem for video in videos]
    assert failed == ["broken"]
    assert any(looks)
    assert len(kept) == 3
    assert list(scratch.iterdir()) == []


def test_no_clips_are_no_stores(tmp_path: Path) -> None:
    assert list(read_ahead([], tmp_path, options=ExtractOptions())) == []
