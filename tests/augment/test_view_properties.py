import pickle
import resource

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from framegate.augment import Anchor, OverlayPolicy, TwoViews, ViewPolicy, plain_view
from framegate.augment.boxes import covering_pixels, seen_through
from framegate.augment.jpeg_view import jpeg_size
from framegate.media.clip_layout import Layout

fraction = st.floats(0, 1)
boxes = st.tuples(fraction, fraction, fraction, fraction).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
found = boxes.map(lambda box: (*box, 0.9))
layouts = st.builds(
    Layout,
    borders=st.tuples(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0.7, 1), st.floats(0.7, 1)),
    logos=st.lists(found, max_size=3).map(tuple),
    subtitles=st.lists(found, max_size=2).map(tuple),
)
sizes = st.tuples(st.integers(16, 300), st.integers(16, 300)) | st.sampled_from([(16, 2000), (3000, 16), (1081, 1923)])


def jpeg(height: int, width: int, *, grey: bool = False, seed: int = 0) -> bytes:
    cells = np.random.default_rng(seed).integers(0, 256, (5, 7) if grey else (5, 7, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC))[1].tobytes()


@settings(max_examples=120, deadline=None)
@given(
    size=sizes,
    grey=st.booleans(),
    layout=layouts,
    seed=st.integers(0, 2**40),
    index=st.integers(0, 2**40),
    with_donor=st.booleans(),
)
def test_any_frame_and_layout_gives_two_views(size, grey, layout, seed, index, with_donor):
    anchor = Anchor(jpeg(*size, grey=grey), layout)
    donor = Anchor(jpeg(50, 90, seed=1), Layout()) if with_donor else None
    for view in TwoViews(ViewPolicy(), image_size=32, seed=seed)(anchor, epoch=seed % 7, index=index, donor=donor):
        assert view.shape == (32, 32, 3) and view.dtype == np.uint8 and view.flags["C_CONTIGUOUS"]


def test_frames_of_4k_are_decoded_small():
    views = TwoViews(ViewPolicy(), image_size=64, seed=0)
    for view in views(Anchor(jpeg(2160, 3840), Layout()), epoch=0, index=0):
        assert view.shape == (64, 64, 3)


@pytest.mark.parametrize("shape", [(2, 5000), (5000, 2), (1, 1)])
def test_frames_as_thin_as_a_thread_take_no_more_memory_than_others(shape):
    """A look painted on the frame is painted at the view's scale, at which such a frame is very long."""
    views = TwoViews(ViewPolicy(), image_size=32, seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(60):
        for view in views(Anchor(jpeg(*shape), Layout()), epoch=0, index=index):
            assert view.shape == (32, 32, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


@settings(max_examples=100, deadline=None)
@given(size=sizes)
def test_the_size_in_the_header_is_the_size(size):
    assert jpeg_size(jpeg(*size)) == (size[1], size[0])


def test_what_is_no_jpeg_is_refused():
    with pytest.raises(ValueError, match="not a JPEG"):
        jpeg_size(b"\x89PNG\r\n\x1a\n and more")
    with pytest.raises(ValueError, match="not a JPEG"):
        jpeg_size(b"")


@settings(max_examples=200, deadline=None)
@given(crop=boxes, box=boxes, side=st.integers(8, 256))
def test_a_cover_holds_the_whole_of_its_region(crop, box, side):
    if crop[2] - crop[0] < 1e-3 or crop[3] - crop[1] < 1e-3:
        return
    seen = seen_through(crop, box)
    pixels = covering_pixels(seen, side, side)
    for x in np.linspace(box[0], box[2], 7)[1:-1]:
        for y in np.linspace(box[1], box[3], 7)[1:-1]:
            px, py = (x - crop[0]) / (crop[2] - crop[0]) * side, (y - crop[1]) / (crop[3] - crop[1]) * side
            if 0 < px < side and 0 < py < side and box[0] < x < box[2] and box[1] < y < box[3]:
                assert pixels is not None
                assert pixels[0] <= px <= pixels[2] and pixels[1] <= py <= pixels[3]


class Pairs(Dataset):
    """Pairs of a few frames, for a data loader."""

    def __init__(self) -> None:
        self.views = TwoViews(ViewPolicy(overlays=OverlayPolicy(bank=5)), image_size=24, seed=11)
        self.frames = [Anchor(jpeg(60, 90, seed=seed), Layout()) for seed in range(16)]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.stack(self.views(self.frames[index], epoch=3, index=index, donor=self.frames[index - 1]))


def test_workers_and_processes_change_nothing():
    pairs = Pairs()
    here = [pairs[index] for index in range(len(pairs))]
    workers = DataLoader(pairs, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(here, workers, strict=True))
    other_rank = pickle.loads(pickle.dumps(pairs))  # takes every second frame, last first
    assert all(np.array_equal(here[index], other_rank[index]) for index in range(15, 0, -2))


def test_the_views_of_a_pair_and_the_epochs_differ():
    pairs = Pairs()
    first, second = pairs[0]
    assert not np.array_equal(first, second)
    again = pairs.views(pairs.frames[0], epoch=4, index=0, donor=pairs.frames[-1])
    assert not np.array_equal(first, again[0])


def test_two_frames_of_a_shot_give_one_view_each():
    red, blue = (
        Anchor(cv2.imencode(".jpg", np.full((60, 90, 3), bgr, np.uint8))[1].tobytes(), Layout())
        for bgr in ((0, 0, 255), (255, 0, 0))
    )
    policy = ViewPolicy(overlays=OverlayPolicy(paint=0.0, survive=1.0, assume=False))
    first, second = TwoViews(policy, image_size=16, seed=2)(red, blue, epoch=0, index=1)
    alone, _ = TwoViews(policy, image_size=16, seed=2)(red, epoch=0, index=1)
    assert np.array_equal(first, alone) and not np.array_equal(first, second)


@settings(max_examples=60, deadline=None)
@given(size=sizes, image_size=st.sampled_from([16, 33, 64]))
def test_plain_views_of_any_size(size, image_size):
    assert plain_view(jpeg(*size), image_size).shape == (image_size, image_size, 3)
