"""Pictures as the classifier takes them: with the overlays found in them hidden."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from framegate.media import Layout
from tests.finetune.small_classifier import make_model


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_what_overlays_show_changes_nothing_unless_they_are_to_be_seen():
    rng = np.random.default_rng(1)
    plain = rng.integers(0, 256, (12, 90, 160, 3), dtype=np.uint8)

    prepare = make_model(streams=(0,)).prepare
    layout = Layout(borders=(0, 12 / 90, 1, 78 / 90), logos=((60 / 160, 20 / 90, 90 / 160, 32 / 90, 1.0),))

    def shown(colour: int, *, masked: bool) -> torch.Tensor:
        frames = plain.copy()
        frames[:, :12], frames[:, -12:] = 0, 0  # bars
        frames[:, 20:32, 60:90] = colour  # a logo
        return replace(prepare, mask_overlays=masked).pictures(frames, layout)

    assert prepare.mask_overlays
    assert torch.equal(shown(40, masked=True), shown(220, masked=True))
    assert not torch.equal(shown(40, masked=False), shown(220, masked=False))


def test_bars_are_found_and_hidden_in_frames_that_nobody_looked_at_before():
    rng = np.random.default_rng(1)
    frames = rng.integers(60, 256, (12, 90, 160, 3), dtype=np.uint8)
    frames[:, :12], frames[:, -12:] = 0, 0
    model = make_model(streams=(0,))
    pictures = model.prepare.pictures(frames)
    assert pictures.amin(dim=(0, 1))[0].min() > 100  # the mean of the rest, not black
    bare = replace(model.prepare, mask_overlays=False).pictures(frames)
    assert bare[:, :, 0].max() == 0
    assert model.prepare.pictures([frames[0], frames[1][:80]]) is not None  # of pictures of two sizes nothing is found
