from itertools import islice

import numpy as np
import pytest

from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.data.view_pairs import MicroBatches

VIDEOS = [5, 1, 9, 3, 12]  # frames of each video
EPOCHS = 3


def frame_order(*, batch_size: int = 4, frames_per_video: int | None = None, seed: int = 0) -> FrameOrder:
    video_of = np.repeat(np.arange(len(VIDEOS)), VIDEOS)
    # Frame numbers of a store of which every second frame may be used.
    return FrameOrder(
        video_of=video_of,
        frames=np.arange(len(video_of)) * 2,
        batch_size=batch_size,
        epochs=EPOCHS,
        frames_per_video=frames_per_video,
        seed=seed,
    )


def epochs_of(order: FrameOrder) -> list[np.ndarray]:
    batches = [frames for _, frames in order.batches(0)]
    return [
        np.concatenate(batches[i : i + order.steps_per_epoch]) for i in range(0, len(batches), order.steps_per_epoch)
    ]


def test_an_epoch_shows_each_frame_once():
    for frames in epochs_of(frame_order(batch_size=1)):
        assert sorted(frames) == list(range(0, 60, 2))


def test_what_fills_no_batch_is_left_out():
    order = frame_order(batch_size=4)
    assert (order.steps_per_epoch, order.total_steps) == (7, 21)
    for frames in epochs_of(order):
        assert len(set(frames)) == 28


def test_an_epoch_may_take_some_frames_of_each_video_drawn_anew():
    epochs = epochs_of(frame_order(batch_size=1, frames_per_video=3))
    video_of = {2 * number: video for number, video in enumerate(np.repeat(np.arange(5), VIDEOS))}
    for frames in epochs:
        assert len(set(frames)) == len(frames)
        assert np.bincount([video_of[frame] for frame in frames]).tolist() == [3, 1, 3, 3, 3]
    assert set(epochs[0]) != set(epochs[1])


def test_the_order_is_a_function_of_seed_and_epoch():
    same, again, other = (np.stack(epochs_of(frame_order(seed=seed))) for seed in (1, 1, 2))
    assert np.array_equal(same, again)
    assert not np.array_equal(same, other)
    assert not np.array_equal(same[0], same[1])


def test_batches_from_any_step_on_are_the_rest_of_all_batches():
    order = frame_order()
    every = list(order.batches(0))
    for step in range(order.total_steps):
        rest = [(epoch, frames.tolist()) for epoch, frames in order.batches(step)]
        assert rest == [(epoch, frames.tolist()) for epoch, frames in every[step:]]


def test_a_videos_frames_are_spread_over_the_epoch():
    order = FrameOrder(
        video_of=np.repeat(np.arange(40), 10),
        frames=np.arange(400),
        batch_size=40,
        epochs=1,
        frames_per_video=None,
        seed=0,
    )
    for _, frames in order.batches(0):
        # The k-th frame of every video lies in the k-th tenth of the epoch: a batch is one frame of each video.
        assert len(set(frames // 10)) == 40


def test_frames_of_one_look_and_different_videos_come_together():
    def partners(same_look: float) -> float:
        order = FrameOrder(
            video_of=np.repeat(np.arange(80), 4),
            frames=np.arange(320),
            batch_size=16,
            epochs=2,
            frames_per_video=None,
            seed=0,
            looks=np.arange(80) // 4,
            same_look=same_look,
        )
        assert all(sorted(frames) == list(range(320)) for frames in epochs_of(order))
        found = 0
        for _, frames in order.batches(0):
            video, look = frames // 4, frames // 16
            found += ((look[:, None] == look) & (video[:, None] != video)).any(axis=1).sum()
        return found / (order.total_steps * 16)

    assert partners(0.0) < 0.6 < 0.8 < partners(1.0)


@pytest.mark.parametrize(("accumulate", "processes"), [(1, 1), (1, 3), (2, 2), (3, 2), (6, 1)])
def test_processes_and_micro_batches_share_the_global_batch(accumulate, processes):
    order = frame_order(batch_size=12)
    ranks = [
        list(MicroBatches(order, accumulate=accumulate, rank=rank, processes=processes)) for rank in range(processes)
    ]
    for step, (epoch, frames) in enumerate(order.batches(0)):
        taken = [
            item
            for micro in range(step * accumulate, (step + 1) * accumulate)
            for rank in ranks
            for item in rank[micro]
        ]
        assert taken == [(epoch, frame) for frame in frames.tolist()]
    assert {len(rank) for rank in ranks} == {order.total_steps * accumulate}


def test_a_resumed_process_takes_what_it_would_have_taken():
    order = frame_order(batch_size=4)
    whole = MicroBatches(order, accumulate=2, rank=1, processes=2)
    for step in range(order.total_steps):
        resumed = MicroBatches(order, first_step=step, accumulate=2, rank=1, processes=2)
        assert list(resumed) == list(islice(whole, 2 * step, None))
        assert len(resumed) == len(list(resumed))


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(ValueError, match=r"batch_size is 4.*3 processes × 1"):
        MicroBatches(frame_order(batch_size=4), processes=3)
