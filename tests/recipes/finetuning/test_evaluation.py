"""Evaluation: what is measured of a classifier whose modalities are removed, broken, or carry others' overlays."""

import copy
import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from framegate.augment.overlays.masks import found_regions, mask_layout
from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, ClipSample, collate, pad_labels
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.streams.streams import FramesConfig, StreamsConfig, TextConfig
from framegate.media import FrameStore
from framegate.recipes.finetuning.clip_features import frozen_features
from framegate.recipes.finetuning.clips import StoreClips, label_nodes, spaced_frames
from framegate.recipes.finetuning.compare import compare
from framegate.recipes.finetuning.corruptions import CORRUPTIONS, corrupt, donor_rows, swap_overlays
from framegate.recipes.finetuning.labels import store_taxonomy
from framegate.recipes.finetuning.measure import answer, encode_clips, evaluation, hits, labelled_rows, run_clips
from framegate.recipes.reports.class_table import write_class_table
from framegate.recipes.reports.finetune_report import write_finetune_report
from framegate.recipes.training.run_folder import RunFolder


def save_classifier(store: FrameStore, folder: Path, *, seed: int) -> GatedFusionClassifier:
    """One that has learnt nothing but the prior."""
    torch.manual_seed(seed)
    tree = store_taxonomy(store, None)
    streams = StreamsConfig(frames=FramesConfig(backbone="test_resnet"), text=TextConfig(width=32, vocabulary=300))
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    model = GatedFusionClassifier.create(config, tree, texts=store.videos["title"].to_pylist(), image_size=32).eval()
    model.count_labels(pad_labels(label_nodes(store, tree)))
    model.sampling = Sampling(frames=3, audio_seconds=3.0)
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def classifier(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifiers") / "one"
    save_classifier(FrameStore(store), folder, seed=0)
    return folder


@pytest.fixture(scope="module")
def opened(store: Path, classifier: Path) -> tuple[GatedFusionClassifier, StoreClips, np.ndarray]:
    model, frames = GatedFusionClassifier.from_pretrained(classifier), FrameStore(store)
    labels = label_nodes(frames, model.taxonomy)
    sampling = Sampling.load(classifier)
    features = frozen_features(model, frames, sampling, labels=labels)
    clips = StoreClips(frames, model.prepare, sampling, labels=labels, features=features)
    return model, clips, labelled_rows(clips, "all")[:12]


def test_clips_encoded_once_are_answered_as_by_the_whole_model(opened) -> None:
    model, clips, rows = opened
    batch = collate([clips[int(row)] for row in rows])
    encoded = encode_clips(model, clips, rows)
    for wanted in (MODALITIES, ("frames", "text"), ("audio",), ()):
        kept = torch.tensor([[name in wanted for name in MODALITIES]]).expand(len(rows), -1)
        with torch.no_grad():
            expected = model(batch.keep(kept))
        found = answer(model, encoded.keep(wanted))
        np.testing.assert_allclose(found.probabilities, expected.log_probs.exp(), atol=1e-5)
        np.testing.assert_allclose(found.reliability, expected.reliability, atol=1e-5)
        assert np.array_equal(found.present, expected.present)


@pytest.mark.parametrize(("modality", "kind"), [(m, kind) for m in MODALITIES for kind in CORRUPTIONS[m]])
def test_a_corruption_replaces_its_modality_where_the_clip_has_it(opened, modality: str, kind: str) -> None:
    model, clips, rows = opened
    change = corrupt(clips, rows, modality, kind)
    row = int(rows[0])
    sample = clips[row]
    broken = change(row, sample)
    content, was = broken.content.get(modality), sample.content[modality]
    if kind == "empty":
        assert content is None
    else:
        assert content.values.shape != was.values.shape or not torch.equal(content.values, was.values)
        encoded = encode_clips(model, clips, rows, change=change)
        assert encoded.present[0].tolist() == [name == modality for name in MODALITIES]
    assert change(row, ClipSample()).content == {}
    if kind == "other":
        donor = donor_rows(clips, rows, seed=0)[row][0]
        assert torch.equal(content.values, clips[donor].content[modality].values)
        assert clips.store.video(donor).programme != clips.store.video(row).programme
    if kind == "silence":
        assert not content.values.any()


def test_features_of_masked_frames_are_those_of_the_pictures_that_prediction_sees(opened) -> None:
    model, clips, rows = opened
    pictures = StoreClips(clips.store, model.prepare, clips.sampling, labels=clips.labels)
    seen = [row for row in map(int, rows) if found_regions(clips.store.video(row).layout)]
    raw = StoreClips(clips.store, replace(model.prepare, mask_overlays=False), clips.sampling, labels=clips.labels)
    assert seen and not torch.equal(*(held[seen[0]].content["frames"].values for held in (raw, pictures)))
    with torch.no_grad():
        for row in seen[:3]:
            features = model.streams["frames"].encoder(pictures[row].content["frames"].values)
            torch.testing.assert_close(features, clips[row].content["frames"].values)


def test_swapped_overlays_are_the_donors(opened) -> None:
    _, clips, rows = opened
    bare = StoreClips(clips.store, replace(clips.prepare, mask_overlays=False), clips.sampling, labels=clips.labels)
    change, altered = swap_overlays(bare, rows)
    seen = [row for row in map(int, rows) if clips.store.video(row).layout.logos]
    assert 0 < len(seen) <= altered <= len(rows)
    row = seen[0]
    swapped = change(row, bare[row])
    before, after = (sample.content["frames"].values.int() for sample in (bare[row], swapped))
    apart = (after - before).abs().amax(dim=(0, 1)) > 8
    assert 0 < apart.float().mean() < 0.9  # some of the picture, not all of it
    assert set(swapped.content) == {"frames"}


def test_a_model_that_masks_overlays_sees_nothing_of_the_donors(opened) -> None:
    _, clips, rows = opened
    store = clips.store
    change, _ = swap_overlays(clips, rows)
    for row in map(int, rows[:4]):
        layouts = [store.video(other).layout for other in donor_rows(clips, rows, seed=0)[row]]
        donor = next(layout for layout in layouts if found_regions(layout))
        frames = [store[n] for n in spaced_frames(store.frame_range(row), clips.sampling.frames)]
        both = [mask_layout(mask_layout(frame, store.video(row).layout), donor) for frame in frames]
        expected = replace(clips.prepare, mask_overlays=False).pictures(both)
        assert torch.equal(change(row, clips[row]).content["frames"].values, expected)


def test_comparing_lists_what_only_one_gets_right() -> None:
    rows, programmes = np.array([3, 5, 7, 9, 11]), np.array(["a", "a", "b", "b", "c"])
    new, old = np.array([1, 0, 1, 0, np.nan]), np.array([0, 1, 1, 0, 0.0])
    found = compare(rows, new, old, programmes)
    assert (found.corrected.tolist(), found.spoilt.tolist()) == ([3], [5])
    assert (found.old_top1, found.difference) == (0.5, 0)
    same = compare(rows, old, old, programmes)
    assert (same.low, same.high) == (0, 0)


def test_everything_is_written(classifier: Path, store: Path, framegate, tmp_path: Path, capsys) -> None:
    other = tmp_path / "other"
    save_classifier(FrameStore(store), other, seed=1)
    options = (
        "--split",
        "all",
        "--against",
        other,
        "--classes",
        tmp_path / "classes" / "classes.csv",
        "--page",
        tmp_path / "pages" / "e.html",
    )
    assert framegate("evaluate", classifier, store, *options, "--json", tmp_path / "e.json") == 0
    figures = json.loads((tmp_path / "e.json").read_text(), parse_constant=pytest.fail)
    text = capsys.readouterr().out

    level = figures["levels"]["leaf"]
    low, high = figures["intervals"]["top1"]["leaf"]
    assert low <= level["top1"] <= high
    assert figures["intervals"]["programmes"] > 1
    assert 0 <= figures["gap20"] <= 1
    assert sum(values["n"] for values in figures["bins"].values()) == level["n"]
    for name in MODALITIES:
        kinds = figures["modalities"]["corruptions"][name]
        assert set(kinds) == {"none", *CORRUPTIONS[name]}
        assert figures["modalities"]["corrupted"][name] == kinds["noise"]["top1"]
        assert all(0 <= values["top1"] <= 1 and 0 <= values["reliability"] <= 1 for values in kinds.values())
    empty = figures["modalities"]["corruptions"]["text"]["empty"]
    assert (empty["top1"], empty["reliability"]) == (figures["modalities"]["without"]["text"], 0)
    assert set(figures["overlays"]) == {"clips", "levels", "only", "without", "corrupted"}
    assert set(figures["overlays"]["corrupted"]) == set(figures["overlays"]["without"]) == {"audio", "text"}

    frames = FrameStore(store)
    ids, against = frames.videos["id"].to_pylist(), figures["against"]
    right = {}
    for path in (classifier, other):
        model = GatedFusionClassifier.from_pretrained(path)
        labels = label_nodes(frames, model.taxonomy)
        clips = StoreClips(frames, model.prepare, Sampling.load(path), labels=labels)
        rows = labelled_rows(clips, "all")
        right[path] = {
            ids[row]: hit
            for row, hit in zip(rows, hits(model, run_clips(model, clips, rows), clips)["leaf"], strict=True)
        }
    assert against["corrected"] == [i for i in right[other] if right[classifier][i] > right[other][i]]
    assert against["spoilt"] == [i for i in right[other] if right[classifier][i] < right[other][i]]
    assert against["difference"] == pytest.approx(level["top1"] - against["top1"])

    with (tmp_path / "classes" / "classes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(store_taxonomy(frames, None).leaves)
    assert sum(int(row["test"]) for row in rows) == level["n"]
    page = (tmp_path / "pages" / "e.html").read_text(encoding="utf-8")
    assert "taken for" in page
    assert "data:image/png;base64" in page
    assert f"against {other}" in page
    assert "With the overlays of" in page
    assert "With the overlays of" in text


def test_a_page_shows_titles_as_text(classifier: Path, opened, tmp_path: Path, monkeypatch) -> None:
    from framegate.recipes.reports.evaluation_page import write_evaluation_page

    model, clips, rows = opened
    video = FrameStore.video
    monkeypatch.setattr(
        FrameStore, "video", lambda self, row: replace(video(self, row), title="<script>alert(1)</script>")
    )
    outputs = run_clips(model, clips, rows)
    write_evaluation_page(
        tmp_path / "e.html", model, clips, outputs, tables=[("<b>", ["<i>"], [["<u>"]])], comparison=None, against=""
    )
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert not any(tag in page for tag in ("<script", "<b>", "<i>", "<u>"))


@pytest.mark.parametrize("streams", [s for n in (1, 2, 3) for s in itertools.combinations(MODALITIES, n)])
def test_a_model_of_any_streams_is_evaluated_by_them_alone(opened, streams: tuple[str, ...]) -> None:
    _, clips, rows = opened
    torch.manual_seed(0)
    whole = StreamsConfig(frames=FramesConfig(backbone="test_resnet"), text=TextConfig(width=32, vocabulary=300))
    dropped = {name: None for name in MODALITIES if name not in streams}
    config = ClassifierConfig(streams=replace(whole, **dropped), fusion=FusionConfig(width=16))
    tree = store_taxonomy(clips.store, None)
    model = GatedFusionClassifier.create(config, tree, texts=["a title"], image_size=32).eval()
    model.count_labels(pad_labels(clips.labels))
    figures, outputs = evaluation(
        model, StoreClips(clips.store, model.prepare, clips.sampling, labels=clips.labels), rows[:4]
    )
    for how in ("only", "without", "corrupted", "corruptions"):
        assert set(figures["modalities"][how]) == set(streams)
    assert ("overlays" in figures) == ("frames" in streams)
    assert outputs.present.any(axis=0).tolist() == [name in streams for name in MODALITIES]
    if len(streams) == 1:  # without its only modality it has the prior to go by
        prior = model.predict([ClipInput()])[0]
        assert prior.present == ()
        truth = [tree.ids[clips.labels[row][0]] for row in rows[:4]]
        expected = np.mean([prior.path_ids[-1] == leaf for leaf in truth])
        assert figures["modalities"]["without"][streams[0]] == expected


def test_a_fine_tunings_page_is_of_labelled_clips(opened, tmp_path: Path) -> None:
    model, clips, _ = opened
    run = RunFolder(tmp_path)
    run.log({"step": 1, "loss": 1.0})
    write_finetune_report(run, model, clips)
    assert "Confusion matrix (val split)" in (tmp_path / "report.html").read_text(encoding="utf-8")

    splits = clips.store.videos["split"].to_pylist()
    bare = copy.copy(clips)
    bare.labels = [() if split == "val" else nodes for split, nodes in zip(splits, clips.labels, strict=True)]
    write_finetune_report(run, model, bare)
    assert "Confusion matrix (train split)" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_class_table_of_clips_labelled_above_the_leaves_has_no_figures(opened, tmp_path: Path) -> None:
    model, clips, rows = opened
    above = copy.copy(clips)
    above.labels = [tuple(model.taxonomy.path(node)[0] for node in nodes) for nodes in clips.labels]
    write_class_table(tmp_path / "classes.csv", model, above, run_clips(model, above, rows))
    with (tmp_path / "classes.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(model.taxonomy.leaves)
    assert {(row["test"], row["precision"]) for row in table} == {("0", "")}
