"""Prediction reads ahead in parts: nothing is lost between them, and no part stays on the disk."""

import json
from pathlib import Path

import pytest
import torch

from framegate.augment import find_layout
from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.data.batch import collate
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.streams import FramesConfig, StreamsConfig
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media import ExtractOptions, FrameStore, Layout, MediaError, clips_from_files, extract
from framegate.recipes.commands.training.predict_command import predict_inputs, read_ahead
from framegate.recipes.finetuning.clips import StoreClips, spaced_frames


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
    assert seen == [video.name for video in videos]
    assert failed == ["broken.mp4"]
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


OPTIONS = ExtractOptions(every=0.5, mode="exact", size=96, audio_seconds=2.0)


@pytest.mark.parametrize("layout", [True, False])
def test_clips_are_predicted_as_they_were_trained_on(corpus: Path, tmp_path: Path, layout: bool) -> None:
    """Taken out of their files with the store's options, not with the defaults: the answers are the store's clips'."""
    videos = sorted((corpus / "videos").glob("*.mp4"))[:4]
    extract(clips_from_files(videos), tmp_path / "store", options=OPTIONS, layout=find_layout if layout else None)
    store = FrameStore(tmp_path / "store")
    assert store.extraction == (OPTIONS, layout)
    torch.manual_seed(0)
    streams = StreamsConfig(frames=FramesConfig(backbone="test_resnet"), text=None)
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    options, found = store.extraction
    sampling = Sampling(frames=3, audio_seconds=1.5, extraction=options, layout=found)
    tree = Taxonomy.read(corpus / "taxonomy.csv")
    model = GatedFusionClassifier.create(config, tree, image_size=32, sampling=sampling)
    clips = StoreClips(store, model.prepare, sampling, labels=[()] * len(videos))
    for _ in range(30):  # statistics of these clips, so that they are told apart
        model.train()(collate([clips[row] for row in range(len(videos))]))
    model.eval().save_pretrained(tmp_path / "classifier")
    assert Sampling.load(tmp_path / "classifier") == sampling

    predict_inputs(tmp_path / "classifier", videos, out=tmp_path / "p.jsonl", embedding=True, workers=1)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    with torch.no_grad():
        expected = model(collate([clips[row] for row in range(len(videos))])).embedding
    torch.testing.assert_close(torch.tensor([line["embedding"] for line in lines]), expected, rtol=1e-3, atol=1e-4)
    for row, line in enumerate(lines):
        taken = store.times[spaced_frames(store.frame_range(row), 3)]
        assert sorted(frame["time"] for frame in line["best_frames"]) == taken.tolist()


def test_a_folder_that_python_alone_wrote_is_all_that_predict_needs(corpus: Path, tmp_path: Path, framegate) -> None:
    streams = StreamsConfig(frames=FramesConfig(backbone="test_resnet"), audio=None, text=None)
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    tree = Taxonomy.read(corpus / "taxonomy.csv")
    GatedFusionClassifier.create(config, tree, image_size=32).save_pretrained(tmp_path / "classifier")
    video, out = next((corpus / "videos").glob("*.mp4")), tmp_path / "p.jsonl"
    assert framegate("predict", tmp_path / "classifier", video, "--out", out, "--workers", 1) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["id"] == video.name


def test_a_store_and_a_classifier_that_say_nothing_of_the_extraction_mean_its_defaults(tmp_path: Path) -> None:
    extract([], tmp_path / "store", options=OPTIONS)
    mark = tmp_path / "store" / "extract.json"
    with pytest.raises(MediaError, match="with other options"):
        extract([], tmp_path / "store", options=OPTIONS, layout=find_layout)
    mark.write_text('{"fingerprint": "f"}', encoding="utf-8")
    assert FrameStore(tmp_path / "store").extraction == (ExtractOptions(), True)
    mark.write_text('{"options": {"every": -1}}', encoding="utf-8")
    with pytest.raises(MediaError, match=r"extract\.json: not what an extraction writes"):
        _ = FrameStore(tmp_path / "store").extraction
    (tmp_path / "preprocessing.json").write_text('{"frames": 5, "audio_seconds": 2.0}', encoding="utf-8")
    assert Sampling.load(tmp_path) == Sampling(frames=5, audio_seconds=2.0)
