"""The classifier: any subset of modalities, its heads and fusions, what it does with what it lacks."""

from dataclasses import replace

import pytest
import torch

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, Features, collate
from framegate.finetune.data.mixup import Mixup
from framegate.finetune.losses.criterion import training_loss
from framegate.finetune.losses.path_losses import LossConfig
from framegate.finetune.output import predictions
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.trainable import parameter_groups
from tests.finetune.small_classifier import SUBSETS, TAXONOMY, clip, make_batch, make_model


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("fusion", "head"),
    [*((name, "experts") for name in ("reliability", "gmu", "concat", "mean", "attention")), ("concat", "multilabel")],
)
def test_every_subset_of_modalities_trains_and_predicts(fusion, head):
    model = make_model(fusion=fusion, head=head)
    for subset in SUBSETS:
        batch = make_batch(model, modalities=subset)
        output = model.train()(batch)
        loss = training_loss(output, batch.labels, batch.present, model.hierarchy, LossConfig()).total
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        [prediction] = model.predict([clip(subset)])
        assert prediction.present == tuple(MODALITIES[m] for m in subset)
        assert sum(prediction.reliabilities.values()) == pytest.approx(1, abs=1e-5)
        assert all(prediction.reliabilities[name] == 0 for name in set(MODALITIES) - set(prediction.present))
        assert list(prediction.probabilities) == sorted(prediction.probabilities, reverse=True)


MIXED = Mixup(partner=torch.tensor([1, 0]), share=torch.tensor([0.7, 0.9]))


@pytest.mark.parametrize("mixup", [None, MIXED])
@pytest.mark.parametrize(
    ("fusion", "head"),
    [("reliability", "experts"), ("reliability", "linear"), ("reliability", "multilabel"), ("mean", "linear")],
)
def test_a_low_rank_model_trains_on_its_labels_families_as_on_the_whole_tree(fusion, head, mixup):
    model = make_model(fusion=fusion, head=head, rank=4).double().train()
    for name, parameter in model.named_parameters():
        if name.endswith(("scores.weight", "gates.weight")):
            torch.nn.init.normal_(parameter)
    batch = make_batch(model, size=2)
    batch = replace(batch, labels=torch.tensor([[TAXONOMY.resolve("x")], [TAXONOMY.resolve("a")]]))
    for name in ("frames", "audio"):
        held = batch.content[name]
        batch = batch.with_content(name, replace(held, values=held.values.double()))

    def loss_and_gradients():
        torch.manual_seed(5)  # of the dropout
        output = model(batch, mixup)
        loss = training_loss(output, batch.labels, batch.present, model.hierarchy, LossConfig(), mixup=mixup).total
        trained = [p for p in model.parameters() if p.requires_grad]
        return output, loss, torch.autograd.grad(loss, trained, allow_unused=True, materialize_grads=True)

    output, loss, gradients = loss_and_gradients()
    assert output.log_probs.shape[-1] == output.stream_log_probs.shape[-1] == 5  # b1 and b2 are no part
    model.hierarchy.part = lambda labels: None
    output, whole, expected = loss_and_gradients()
    assert output.log_probs.shape[-1] == len(TAXONOMY)
    torch.testing.assert_close(loss, whole)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("subset", SUBSETS)
def test_a_model_of_some_streams_ignores_what_it_lacks(subset):
    model = make_model(streams=subset, head="linear").eval()
    everything, its_own = (model(make_batch(model, modalities=m)).log_probs for m in ((0, 1, 2), subset))
    torch.testing.assert_close(everything, its_own)
    assert set(model.predict([clip()])[0].present) == {MODALITIES[m] for m in subset}


def test_a_clip_with_nothing_gets_the_prior_and_says_so():
    model = make_model()
    model.count_labels(torch.tensor([[TAXONOMY.resolve("b2")]] * 7 + [[TAXONOMY.resolve("x")]]))
    empty, full = model.predict([ClipInput(), clip()])
    assert empty.present == ()
    assert set(empty.reliabilities.values()) == {0.0}
    assert empty.path == ("b", "b2")
    assert empty.probabilities == pytest.approx((8 / 10, 8 / 10 * 8 / 9))
    assert full.present == MODALITIES


def test_mean_fusion_answers_with_the_mean_of_the_present_streams_logits():
    model = make_model(fusion="mean").eval()
    batch = make_batch(model, modalities=(0, 2))
    output = model(batch)
    hidden, heads = model.encode(batch).hidden, model.stream_heads
    logits = heads["frames"].scores(hidden[:, 0]), heads["text"].scores(hidden[:, 2])
    expected = model.hierarchy.log_probs((logits[0] + logits[1]) / 2)
    torch.testing.assert_close(output.log_probs, expected)


def test_a_multilabel_classifier_has_a_prior_of_its_own_and_comes_back(tmp_path):
    model = make_model(head="multilabel")
    model.count_labels(torch.tensor([[TAXONOMY.resolve("b2"), TAXONOMY.resolve("x")]] * 6))
    model.eval().save_pretrained(tmp_path)
    [empty] = GatedFusionClassifier.from_pretrained(tmp_path).predict([ClipInput()])
    likely = {id_ for id_, score in empty.top if score > 0.5}
    assert likely == {"b2", "x"}  # each of them, for clips had both
    with pytest.raises(ValueError, match="a multilabel head has no part"):
        make_model(fusion="mean", head="multilabel")


def test_a_clip_is_answered_alike_alone_and_beside_longer_ones():
    model = make_model().eval()
    batch = make_batch(model)
    together = model(batch).log_probs
    first = make_batch(model, size=1)
    torch.testing.assert_close(model(first).log_probs, together[:1], rtol=1e-4, atol=1e-5)


def test_the_attention_tells_the_frames_apart_and_weighs_what_the_description_takes_in():
    model = make_model(streams=(0, 2)).eval()
    batch = make_batch(model, size=3)
    for row, prediction in enumerate(model.predict_batch(batch)):
        frames = int(batch.masks["frames"][row].sum())
        assert len(prediction.attention) == frames
        best = prediction.best_frames(2)
        assert best == sorted(range(frames), key=lambda place: -prediction.attention[place])[:2]
        aggregate = model.streams["frames"].aggregate
        with torch.no_grad():  # a group that nothing is let through to has no part in the description
            aggregate.attend.bias.fill_(-50.0)
        assert max(model.predict_batch(batch)[row].attention) < 1e-6
        assert aggregate.describe(torch.randn(1, 2, 96), torch.ones(1, 2, dtype=torch.bool)).abs().max() < 1e-3
        with torch.no_grad():
            aggregate.attend.bias.zero_()
    assert model.predict([ClipInput(text="погода")])[0].attention == ()


def test_of_equals_path_and_top_name_the_same_leaf():
    model = make_model(streams=(2,)).eval()
    even = torch.full((3, len(TAXONOMY)), -1.0)
    output = replace(model(make_batch(model, size=3)), log_probs=even)
    for k in (1, 2, 4):
        for found in predictions(output, TAXONOMY, model.hierarchy, top=k):
            assert found.path_ids[-1] == found.top[0][0]
            assert [id_ for id_, _ in found.top] == [TAXONOMY.ids[leaf] for leaf in TAXONOMY.leaves[:k]]


def test_cached_features_equal_the_backbones():
    model = make_model(streams=(0,)).eval()
    sample = model.prepare(clip())
    with torch.no_grad():
        features = model.streams["frames"].encoder(sample.content["frames"].values)
        from_pictures = model(collate([sample])).log_probs
        from_cache = model(collate([replace(sample, content={"frames": Features(features)})])).log_probs
    torch.testing.assert_close(from_cache, from_pictures)


def test_a_frozen_backbone_stays_as_it_was():
    model = make_model(streams=(0,)).train()
    before = {key: value.clone() for key, value in model.streams["frames"].encoder.state_dict().items()}
    batch = collate([model.prepare(clip(), labels=(5,))] * 2)
    training_loss(model(batch), batch.labels, batch.present, model.hierarchy, LossConfig()).total.backward()
    encoder = model.streams["frames"].encoder
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())
    assert all(p.grad is None for p in encoder.parameters())


def test_parameter_groups_cover_what_learns_once():
    model = make_model()
    groups = parameter_groups(
        model, lr=1e-3, weight_decay=0.05, stream_lr={"audio": 1e-4, "frames": None, "text": None}
    )
    found = [p for group in groups for p in group["params"]]
    assert {id(p) for p in found} == {id(p) for p in model.parameters() if p.requires_grad}
    assert len(found) == len({id(p) for p in found})
    audio = {id(p) for p in model.streams["audio"].encoder.parameters()}
    for group in groups:
        assert group["lr"] == (1e-4 if id(group["params"][0]) in audio else 1e-3)
        assert all((p.dim() > 1) == (group["weight_decay"] > 0) for p in group["params"])
