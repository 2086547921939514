"""Broken training clips: what is corrupted, what is spared, and that the generator alone decides."""

import pytest
import torch

from framegate.finetune.data.batch import MODALITIES, ClipSample, Features, collate
from framegate.finetune.data.corruption import Corruptions, corrupt
from tests.finetune.small_classifier import make_batch, make_model


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_corruptions_spare_something_of_each_clip_and_say_what():
    model = make_model()
    batch = make_batch(model, size=64)
    corrupted, intact = corrupt(batch, Corruptions(dropout=0.3, swap=0.3, noise=0.4), torch.Generator().manual_seed(0))
    assert intact.any(dim=1).all()
    assert not intact.all()
    same = torch.stack(
        [(batch.content[name].values == corrupted.content[name].values).flatten(1).all(dim=1) for name in MODALITIES],
        dim=1,
    )
    assert same[intact].all()
    assert (intact <= corrupted.present).all()
    foreign = corrupted.present & ~intact
    assert not (same & foreign)[:, :2].any()  # texts may be alike by chance


def test_corruptions_are_a_function_of_the_generator():
    model = make_model()
    batch = make_batch(model, size=16)
    one, other = (corrupt(batch, model.corruptions, torch.Generator().manual_seed(3))[0] for _ in range(2))
    for name in MODALITIES:
        assert torch.equal(one.content[name].values, other.content[name].values)
    assert torch.equal(one.present, other.present)


def test_a_clip_alone_in_its_batch_is_never_its_own_donor():
    model = make_model()
    batch = make_batch(model, size=1)
    for seed in range(20):
        corrupted, intact = corrupt(batch, Corruptions(dropout=0, swap=1, noise=0), torch.Generator().manual_seed(seed))
        assert torch.equal(intact, batch.present)
        assert torch.equal(corrupted.content["audio"].values, batch.content["audio"].values)


def test_no_corruptions_leave_the_batch_alone():
    model = make_model()
    batch = make_batch(model)
    corrupted, intact = corrupt(batch, Corruptions(dropout=0, swap=0, noise=0), torch.Generator().manual_seed(0))
    assert torch.equal(intact, batch.present)
    assert torch.equal(corrupted.content["frames"].values, batch.content["frames"].values)


def test_features_of_text_become_noise_of_their_own_shape():
    content = {"frames": Features(torch.randn(3, 4)), "text": Features(torch.randn(2, 6))}
    batch = collate([ClipSample(content=content, labels=(0,)) for _ in range(8)])
    corrupted, intact = corrupt(batch, Corruptions(dropout=0, swap=0, noise=1), torch.Generator().manual_seed(0))
    assert corrupted.content["text"].values.shape == (8, 2, 6)
    assert not intact[:, 2].all()
