import numpy as np
import torch
from torch.utils.data import DataLoader

from framegate.augment import Anchor, AttentionPolicy, OverlayPolicy, TwoViews, View, ViewPolicy
from framegate.media import Clip, FrameStore
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.data.view_pairs import MicroBatches, ViewPairs, collate, source_numbers, step_generator
from tests.ssl.small_stores import make_store

SIDE = 32


def view_pairs(store: FrameStore, *, positive_seconds: float = 0.45, seed: int = 0) -> ViewPairs:
    views = TwoViews(ViewPolicy(), image_size=SIDE, seed=seed)
    return ViewPairs(store, views, positive_seconds=positive_seconds, seed=seed)


class Recorder:
    """In the place of `TwoViews`: keeps the anchors it was given."""

    def __init__(self) -> None:
        self.anchors: list[tuple[Anchor, Anchor | None, Anchor | None]] = []

    def described(self, first, second=None, *, epoch, index, donor=None):
        self.anchors.append((first, second, donor))
        return (View(np.zeros((1, 1, 3), np.uint8), (), 1.0),) * 2


def chosen_frames(store: FrameStore, *, positive_seconds: float) -> list[tuple[int, int, int, int]]:
    """(epoch, frame, neighbour, donor) of all frames in some epochs."""
    number = {bytes(store.jpeg(frame)): frame for frame in range(len(store))}
    assert len(number) == len(store)
    recorder = Recorder()
    pairs = ViewPairs(store, recorder, positive_seconds=positive_seconds)
    chosen = []
    for epoch in range(8):
        for frame in range(len(store)):
            pairs[epoch, frame]
            first, second, donor = recorder.anchors[-1]
            assert number[bytes(first.jpeg)] == frame
            neighbour = frame if second is None else number[bytes(second.jpeg)]
            chosen.append((epoch, frame, neighbour, number[bytes(donor.jpeg)]))
    return chosen


def test_a_source_is_a_file_however_many_clips_are_cut_from_it(store):
    numbers = source_numbers(store)
    ids = [store.frame(frame).video_id for frame in range(len(store))]
    source_of_id = {name: {int(n) for n, own in zip(numbers, ids, strict=True) if own == name} for name in set(ids)}
    assert source_of_id["a-begin"] == source_of_id["a-end"]
    assert len(source_of_id["a-begin"] | source_of_id["b"] | source_of_id["c"]) == 3


def test_the_second_frame_is_of_the_same_shot_and_near(store):
    frames = chosen_frames(store, positive_seconds=0.45)
    assert len(set(store.shots[store.frame_range(2)])) == 2  # otherwise the next lines would prove little
    for _, frame, neighbour, _ in frames:
        assert store.video_of[neighbour] == store.video_of[frame]
        assert store.shots[neighbour] == store.shots[frame]
        assert abs(store.times[neighbour] - store.times[frame]) <= 0.45
    distances = {round(float(abs(store.times[n] - store.times[f])), 1) for _, f, n, _ in frames}
    assert distances == {0.0, 0.2, 0.4}


def test_without_positive_seconds_both_views_show_one_frame(store):
    assert all(frame == neighbour for _, frame, neighbour, _ in chosen_frames(store, positive_seconds=0.0))


def test_donors_are_frames_of_other_sources(store):
    source_of = source_numbers(store)
    frames = chosen_frames(store, positive_seconds=0.0)
    assert all(source_of[donor] != source_of[frame] for _, frame, _, donor in frames)
    assert len({donor for _, _, _, donor in frames}) > len(store) // 2


def test_donors_are_of_other_sources_however_large_ones_own_is(videos, tmp_path):
    clips = [Clip(id="long", video=videos[1]), Clip(id="short", video=videos[0], end=0.2)]
    lopsided = make_store(clips, tmp_path / "store")
    assert lopsided.frame_range(0) == range(12)
    assert {donor for _, frame, _, donor in chosen_frames(lopsided, positive_seconds=0.0) if frame < 12} == {12}


def test_in_a_store_of_one_source_donors_are_of_that_source(videos, tmp_path):
    single = make_store([Clip(id="only", video=videos[0])], tmp_path / "store")
    assert len({donor for _, _, _, donor in chosen_frames(single, positive_seconds=0.0)}) == 12


def loaded(store: FrameStore, *, workers: int, first_step: int = 0) -> list[torch.Tensor]:
    order = FrameOrder(
        video_of=store.video_of,
        frames=np.arange(len(store)),
        batch_size=8,
        epochs=2,
        frames_per_video=None,
        seed=0,
    )
    sampler = MicroBatches(order, first_step=first_step)
    loader = DataLoader(view_pairs(store), batch_sampler=sampler, num_workers=workers, collate_fn=collate)
    return [tensor for batch in loader for tensor in (batch.first, batch.second, batch.source)]


def test_views_do_not_depend_on_the_number_of_workers(store):
    here = loaded(store, workers=0)
    for workers in (1, 2):
        assert all(torch.equal(a, b) for a, b in zip(loaded(store, workers=workers), here, strict=True))


def test_views_after_a_resume_are_the_rest_of_all_views(store):
    whole, rest = loaded(store, workers=0), loaded(store, workers=2, first_step=3)
    assert all(torch.equal(a, b) for a, b in zip(rest, whole[9:], strict=True))


def test_views_change_with_the_epoch_and_the_seed(store):
    pairs, reseeded = view_pairs(store), view_pairs(store, seed=1)
    first, again = pairs[0, 5].first.pixels, pairs[0, 5].first.pixels
    assert np.array_equal(first, again)
    assert not np.array_equal(first, pairs[1, 5].first.pixels)
    assert not np.array_equal(first, reseeded[0, 5].first.pixels)


def test_collating_puts_channels_first(store):
    pairs = view_pairs(store)
    items = [pairs[0, frame] for frame in (3, 0)]
    batch = collate(items)
    assert batch.first.shape == batch.second.shape == (2, 3, SIDE, SIDE)
    assert batch.first.dtype == torch.uint8
    assert np.array_equal(batch.first[1].permute(1, 2, 0).numpy(), items[1].first.pixels)
    assert np.array_equal(batch.second[0].permute(1, 2, 0).numpy(), items[0].second.pixels)
    assert batch.source.tolist() == [int(source_numbers(store)[frame]) for frame in (3, 0)]


def test_moving_a_batch_can_change_its_memory_format(store):
    pairs = view_pairs(store)
    batch = collate([pairs[0, frame] for frame in (0, 1)])
    moved = batch.to(torch.device("cpu"), memory_format=torch.channels_last)
    assert moved.first.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved.first, batch.first)


def test_the_randomness_of_a_step_is_drawn_anew_for_each_micro_batch():
    def numbers(**where: int) -> list[int]:
        generator = step_generator(**{"seed": 0, "step": 0, "micro": 0, **where})
        return torch.randperm(32, generator=generator).tolist()

    assert numbers() == numbers()
    for place in ("seed", "step", "micro"):
        assert numbers(**{place: 1}) != numbers()


def test_a_source_may_be_the_frame_alone(store):
    views = TwoViews(ViewPolicy(), image_size=SIDE, seed=0)
    pairs = ViewPairs(store, views, same="frame")
    assert [pairs[0, frame].source for frame in range(5)] == list(range(5))


def test_attention_is_told_of_overlays_and_of_the_share_of_the_frame(store):
    policy = ViewPolicy(attention=AttentionPolicy(drop=0.5), overlays=OverlayPolicy(paint=1.0))
    pairs = ViewPairs(store, TwoViews(policy, image_size=SIDE, seed=0))
    batch = collate([pairs[0, frame] for frame in range(8)])
    assert batch.overlays.shape[:2] == (2, 8) and batch.overlays.shape[3] == 4
    assert (batch.overlays != 0).any()
    assert ((batch.shown > 0) & (batch.shown <= 1)).all()
    assert collate([view_pairs(store)[0, 0]]).overlays is None
