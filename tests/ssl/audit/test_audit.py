"""The audit tells a backbone that encodes overlays from one that is blind to them; both are built, none is trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framegate.augment.overlays.looks import bank_look
from framegate.media import Clip, FrameStore
from framegate.ssl.audit.audit import OVERLAYS, audit, audit_light
from framegate.ssl.audit.audit_found import audit_found
from framegate.ssl.audit.audit_frames import PaintedFeatures, category_names, choose_frames
from framegate.ssl.audit.audit_measures import Groups, distances_between, interval, same_among_neighbours
from framegate.ssl.audit.audit_overlays import KINDS, audit_look, paint
from framegate.ssl.probes.probe_split import ProbeError, ProbeFrames
from tests.ssl.small_stores import make_store, write_video

SIZE = 32


class EdgeReader(nn.Module):
    """The planted cheat: nothing but the pixels where overlays live, as they are."""

    def forward(self, images: Tensor) -> Tensor:
        edge, far = SIZE // 5, SIZE - SIZE // 5
        bands = [images[:, :, :edge], images[:, :, far:], images[:, :, :, :edge], images[:, :, :, far:]]
        return torch.cat([F.adaptive_avg_pool2d(band.float() / 255, 6).flatten(1) for band in bands], dim=1)


class CentreReader(nn.Module):
    """Blind to overlays: the coarse colours of the middle, which no overlay of the bank reaches."""

    def forward(self, images: Tensor) -> Tensor:
        near, far = 2 * SIZE // 5, SIZE - 2 * SIZE // 5
        return F.adaptive_avg_pool2d(images[:, :, near:far, near:far].float() / 255, 3).flatten(1)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Thirty clips of six files' patterns: the pattern is the class, the file of a clip its programme."""
    folder = tmp_path_factory.mktemp("many")
    clips = []
    for number in range(30):
        video = write_video(folder / f"{number:02d}.mp4", seed=number)
        split = "test" if number % 5 == 0 else "train"
        clips.append(Clip(id=f"{number:02d}", video=video, programme=f"p{number}", split=split, end=1.2))
    return make_store(clips, folder / "store")


def known(store: FrameStore, *, labelled: bool = True) -> ProbeFrames:
    """All frames of a store; the first class has every third video, and so on."""
    split, programme, source = (
        store.videos[name].to_numpy(zero_copy_only=False)[store.video_of] for name in ("split", "programme", "source")
    )
    levels = {"leaf": store.video_of.astype(np.int64) % 3} if labelled else {}
    return ProbeFrames(split=split, programme=programme, source=source, video=store.video_of, levels=levels)


def audited(backbone: nn.Module, store: FrameStore, **options):
    numbers = np.arange(len(store))
    return audit(backbone, store, numbers, known(store, **options), image_size=SIZE, max_frames=150)


def test_a_planted_cheat_scores_badly_and_a_blind_backbone_well(many):
    cheat, blind = audited(EdgeReader(), many), audited(CentreReader(), many)
    assert cheat.score < 0.6 < 0.9 < blind.score
    assert cheat.interval[1] < blind.interval[0]
    for kind in KINDS:
        assert cheat.overlays[kind].drift > 0.005
        assert blind.overlays[kind].drift < 1e-6
    everything = cheat.overlays["all"]
    assert everything.decodability > 0.7 > 0.35 > blind.overlays["all"].decodability
    assert everything.same_overlay_neighbours > 3 * everything.neighbours_chance
    assert everything.gap > 0.5


def test_what_is_invisible_changes_nothing_at_any_correlation(many):
    for row in audited(CentreReader(), many).overlays["all"].by_rho:
        assert row["same"] == row["swapped"] == row["clean"], row


def test_the_gap_of_a_cheat_grows_with_the_correlation(many):
    gaps = [row["gap"] for row in audited(EdgeReader(), many).overlays["all"].by_rho]
    assert gaps[0] < 0.5 < gaps[-1]


def test_the_score_is_what_its_definition_says(many):
    found = audited(EdgeReader(), many)
    row = found.overlays["all"]
    read = (row.decodability - row.decodability_chance) / (1 - row.decodability_chance)
    pull = (row.same_overlay_neighbours - row.neighbours_chance) / (1 - row.neighbours_chance)
    mislead = row.gap / row.accuracy["same"]
    assert row.score == pytest.approx(1 - np.mean([max(read, 0), max(pull, 0), np.clip(mislead, 0, 1)]))
    assert found.score == pytest.approx(np.mean([found.overlays[kind].score for kind in KINDS]))
    assert found.interval[0] <= found.score <= found.interval[1]


def test_without_labels_the_rest_is_measured(many):
    found = audited(EdgeReader(), many, labelled=False)
    assert found.overlays["all"].accuracy is None
    assert found.overlays["all"].gap is None
    assert found.overlays["all"].distances["same_class"] is None
    assert "accuracy under overlays is not measured" in " ".join(found.notes)
    assert found.score < 0.7


def test_the_audit_is_a_function_of_its_input_and_leaves_the_backbone_as_it_was(many):
    backbone = EdgeReader().train()
    assert audited(backbone, many) == audited(backbone, many)
    assert backbone.training


def test_the_light_audit_tells_them_apart_too(many):
    numbers = np.arange(len(many))
    cheat, blind = (
        audit_light(backbone, many, numbers, known(many), image_size=SIZE)
        for backbone in (EdgeReader(), CentreReader())
    )
    assert cheat.keys() == blind.keys()
    assert all(isinstance(value, float) for value in cheat.values())
    assert cheat["audit_score"] < 0.6 < 0.85 < blind["audit_score"]


def test_overlays_are_the_same_every_time_and_none_is_of_the_training_bank():
    views = np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.uint8)
    before = views.copy()
    for kind in KINDS:
        first, again = (paint(views, kind, np.arange(6), np.arange(6), seed=0) for _ in range(2))
        assert np.array_equal(first, again)
        assert (first != views).any(axis=(1, 2, 3)).sum() >= 5
    assert np.array_equal(views, before)
    trained_on = {repr(overlay) for number in range(2000) for overlay in bank_look(0, number).overlays}
    painted = {repr(overlay) for number in range(OVERLAYS) for overlay in audit_look("all", number, seed=0).overlays}
    assert not trained_on & painted


def test_sides_share_no_programme_and_classes_are_even(many):
    chosen = choose_frames(np.arange(len(many)), known(many), max_frames=60)
    assert not set(chosen.group[chosen.fit]) & set(chosen.group[~chosen.fit])
    assert len(chosen.number) <= 60
    counts = np.bincount(chosen.classes[chosen.fit])
    assert counts.max() - counts.min() <= 1
    assert len(np.unique(chosen.video)) == 30  # a second frame of a clip only after the first of each


def test_a_single_programme_is_cut_by_file_and_a_single_clip_is_an_error(many):
    frames = known(many, labelled=False)
    one = replace(frames, programme=np.full(len(frames.video), "p"))
    chosen = choose_frames(np.arange(len(many)), one, max_frames=60)
    assert not set(chosen.video[chosen.fit]) & set(chosen.video[~chosen.fit])
    assert any("by file" in note for note in chosen.notes)
    first = frames.video == 0
    lonely = ProbeFrames(
        split=frames.split[first],
        programme=frames.programme[first],
        source=frames.source[first],
        video=frames.video[first],
        levels={},
    )
    with pytest.raises(ProbeError, match="two"):
        choose_frames(np.flatnonzero(first), lonely, max_frames=60)


def test_neighbours_of_random_features_carry_the_same_overlay_by_chance():
    rng = np.random.default_rng(0)
    memory, queries = rng.normal(size=(600, 16)), rng.normal(size=(300, 16))
    kinds, of_queries = rng.integers(0, 4, 600), rng.integers(0, 4, 300)
    same, chance = same_among_neighbours(memory, kinds, queries, of_queries)
    assert same.mean() == pytest.approx(chance.mean(), abs=0.03)
    told, _ = same_among_neighbours(np.eye(4)[kinds] + 1e-3 * memory[:, :4], kinds, np.eye(4)[of_queries], of_queries)
    assert told.mean() == 1.0


def test_distances_are_those_of_a_plain_count():
    rng = np.random.default_rng(1)
    features, video, classes = rng.normal(size=(12, 5)), np.arange(12) // 2, np.arange(12) // 6
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    pairs = [(a, b) for a in range(12) for b in range(12) if video[a] != video[b]]
    within = [1 - unit[a] @ unit[b] for a, b in pairs if classes[a] == classes[b]]
    between = [1 - unit[a] @ unit[b] for a, b in pairs if classes[a] != classes[b]]
    assert distances_between(features, video, classes) == pytest.approx((np.mean(within), np.mean(between)))


def test_resampled_means_hold_the_mean_and_widen_with_fewer_groups():
    rng = np.random.default_rng(2)
    outcome = np.repeat(rng.random(20) < 0.5, 20).astype(float)
    few, many_groups = (
        Groups.resampled(group).mean(outcome) for group in (np.repeat(np.arange(20), 20), np.arange(400))
    )
    assert few[0] == many_groups[0] == outcome.mean()
    (a, b), (c, d) = interval(few), interval(many_groups)
    assert b - a > 2 * (d - c)


def copy_with(store: FrameStore, folder: Path, column: str, values: list) -> FrameStore:
    """The store, its shards linked, with other values in one column of its clips."""
    for path in store.path.iterdir():
        if path.name != "videos.arrow":
            (folder / path.name).hardlink_to(path)
    field = store.videos.schema.field(column)
    place = store.videos.schema.get_field_index(column)
    with pa.ipc.new_stream(str(folder / "videos.arrow"), store.videos.schema) as writer:
        writer.write_table(store.videos.set_column(place, field, pa.array(values, field.type)))
    return FrameStore(folder)


def test_found_overlays_are_masked(many, tmp_path: Path):
    """A store whose layout names the upper band: masking it moves features that read it, and none that do not."""
    boxes = [[[0.0, 0.0, 1.0, 0.2, 0.9]] if row % 2 else [[0.0, 0.8, 1.0, 1.0, 0.9]] for row in range(30)]
    store = copy_with(many, tmp_path, "subtitles", boxes)
    frames, numbers = known(store), np.arange(len(store))
    cheat, blind = (
        audit_found(backbone, store, numbers, frames, image_size=SIZE) for backbone in (EdgeReader(), CentreReader())
    )
    assert (cheat.clips, cheat.looks) == (30, 2)
    assert blind.drift < 1e-6 < cheat.drift
    assert blind.accuracy["raw"] == blind.accuracy["masked"]
    assert {"decodability", "same_look_neighbours", "accuracy"} == cheat.intervals.keys()


def test_where_extraction_found_nothing_there_is_nothing_to_mask(many):
    assert audit_found(EdgeReader(), many, np.arange(len(many)), known(many), image_size=SIZE) is None


def test_painted_features_are_those_of_painted_views(many):
    numbers = np.array([3, 40, 7])
    features = PaintedFeatures(EdgeReader(), many, numbers, image_size=SIZE, seed=5)
    overlays = np.array([1, 2, 0])
    views = paint(features.views, "logo", overlays, numbers, seed=5)
    expected = EdgeReader()(torch.from_numpy(views).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(features.painted("logo", overlays), expected)
    np.testing.assert_allclose(features.painted("logo", overlays[1:], np.array([1, 2])), expected[1:])


def test_categories_are_named_by_the_last_part_of_their_labels(many, tmp_path: Path):
    store = copy_with(many, tmp_path, "label", [f"shows/{row} | b" for row in range(30)])
    chosen = choose_frames(np.arange(len(store)), known(store), max_frames=60)
    expected = [str(chosen.video[chosen.classes == number][0]) for number in range(3)]
    assert list(category_names(store, chosen)) == expected
    assert category_names(many, chosen) == ("", "", "")
    assert category_names(store, replace(chosen, classes=None)) == ()


def test_the_wider_kinds_leave_the_score_alone_and_have_one_of_their_own(many):
    numbers = np.arange(len(many))
    options = {"image_size": SIZE, "max_frames": 90, "kinds": ("border", "logo")}
    alone, both = (
        audit(EdgeReader(), many, numbers, known(many), wider=wider, **options) for wider in ((), ("grade", "date"))
    )
    assert (alone.wider, alone.score_wider, alone.interval_wider, alone.looks) == ({}, None, None, {})
    assert both.score_wider == pytest.approx(np.mean([row.score for row in both.wider.values()]))
    assert both.interval_wider[0] <= both.score_wider <= both.interval_wider[1]
    assert list(both.wider) == list(both.looks) == ["grade", "date"]
    assert replace(both, wider={}, score_wider=None, interval_wider=None, looks={}) == alone
