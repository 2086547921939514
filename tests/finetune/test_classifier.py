import itertools
import os
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, snapshot_download

from framegate.finetune.alterations import Alterations, alter
from framegate.finetune.batch import MODALITIES, ClipSample, collate
from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.criterion import training_loss
from framegate.finetune.folder import FolderError, push_classifier
from framegate.finetune.fusion import FusionConfig
from framegate.finetune.heads import HeadConfig
from framegate.finetune.losses import LossConfig
from framegate.finetune.mixup import Mixup
from framegate.finetune.output import predictions
from framegate.finetune.prepare import ClipInput
from framegate.finetune.streams import AudioConfig, FramesConfig, StreamsConfig, TextConfig
from framegate.finetune.taxonomy import Node, Taxonomy, TaxonomyError
from framegate.finetune.training import parameter_groups
from framegate.media import Layout

TAXONOMY = Taxonomy(
    (Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"), Node("b1", "b"), Node("b2", "b"), Node("x", "a1"))
)
TEXTS = ["the weather today", "погода сегодня", "今天的天气", "الطقس اليوم"]
FRAMES, AUDIO, TEXT = FramesConfig(backbone="test_resnet"), AudioConfig(), TextConfig(width=32, vocabulary=300)
SUBSETS = [subset for n in (1, 2, 3) for subset in itertools.combinations(range(3), n)]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def make_model(*, streams=(0, 1, 2), fusion="reliability", head="experts", rank=None):
    torch.manual_seed(0)
    parts = [part if m in streams else None for m, part in enumerate((FRAMES, AUDIO, TEXT))]
    config = ClassifierConfig(
        streams=StreamsConfig(frames=parts[0], audio=parts[1], text=parts[2]),
        fusion=FusionConfig(name=fusion, width=16),
        head=HeadConfig(name=head, rank=rank),
    )
    return GatedFusionClassifier.create(config, TAXONOMY, texts=TEXTS, image_size=32)


def make_batch(model, size=6, modalities=(0, 1, 2)):
    generator = torch.Generator().manual_seed(1)
    samples = []
    for i in range(size):
        frames = torch.randn(2 + i % 3, 96, generator=generator)  # test_resnet's features are 96 long
        audio = torch.randn(1 + i % 2, 20_480, generator=generator) * 0.1
        tokens = model.prepare.tokens(TEXTS[i % 4])
        samples.append(
            ClipSample(
                frames=frames if 0 in modalities else None,
                audio=audio if 1 in modalities else None,
                tokens=tokens if 2 in modalities else None,
                labels=(int(TAXONOMY.leaves[i % len(TAXONOMY.leaves)]),),
            )
        )
    return collate(samples)


def clip(modalities=(0, 1, 2)):
    rng = np.random.default_rng(0)
    return ClipInput(
        frames=rng.integers(0, 256, (3, 40, 60, 3), dtype=np.uint8) if 0 in modalities else None,
        sound=rng.normal(0, 0.1, 50_000).astype(np.float32) if 1 in modalities else None,
        rate=22_050,
        text="Погода today" if 2 in modalities else "",
    )


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
    batch = replace(
        batch,
        frames=batch.frames.double(),
        audio=batch.audio.double(),
        labels=torch.tensor([[TAXONOMY.resolve("x")], [TAXONOMY.resolve("a")]]),
    )

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


def test_a_saved_model_answers_the_same(tmp_path):
    model = make_model()
    batch = make_batch(model)
    model.train()(batch)  # running statistics that are not the initial ones
    model.count_labels(batch.labels)
    model.eval().save_pretrained(tmp_path / "classifier")
    again = GatedFusionClassifier.from_pretrained(tmp_path / "classifier")
    assert again.config == model.config
    assert again.taxonomy == TAXONOMY
    torch.testing.assert_close(again(batch).log_probs, model(batch).log_probs, rtol=0, atol=0)
    torch.testing.assert_close(again.counts, model.counts)
    clips = [clip(), ClipInput(text="今天")]
    for one, other in zip(again.predict(clips), model.predict(clips), strict=True):
        assert one.as_json(embedding=True) == other.as_json(embedding=True)
    assert {p.name for p in (tmp_path / "classifier").iterdir()} == {
        "config.json",
        "model.safetensors",
        "taxonomy.csv",
        "tokenizer",
    }


def test_the_attention_tells_the_frames_apart_and_weighs_what_the_description_takes_in():
    model = make_model(streams=(0, 2)).eval()
    batch = make_batch(model, size=3)
    for row, prediction in enumerate(model.predict_batch(batch)):
        frames = int(batch.frames_mask[row].sum())
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


def test_a_classifier_goes_to_the_hub_and_comes_back(tmp_path, monkeypatch):
    """The hub is a cache folder here; what is uploaded is laid out as its client lays out downloads."""
    cache, revision = tmp_path / "cache", "0" * 40

    def upload_folder(self, *, folder_path, repo_id, commit_message):
        home = cache / f"models--{repo_id.replace('/', '--')}"
        shutil.copytree(folder_path, home / "snapshots" / revision)
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text(revision)
        return f"https://hub/{repo_id}"

    monkeypatch.setattr(HfApi, "create_repo", lambda self, name, **options: None)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    offline = partial(snapshot_download, cache_dir=cache, local_files_only=True)
    monkeypatch.setattr("framegate.finetune.folder.snapshot_download", offline)
    model = make_model(streams=(2,))
    model.eval().save_pretrained(tmp_path / "classifier")
    assert push_classifier(tmp_path / "classifier", "someone/news") == "https://hub/someone/news"
    again = GatedFusionClassifier.from_pretrained("hf-hub:someone/news")
    texts = [ClipInput(text="погода")]
    assert again.predict(texts)[0].as_json(embedding=True) == model.predict(texts)[0].as_json(embedding=True)
    with pytest.raises(FolderError, match="hf-hub:someone/else: "):
        GatedFusionClassifier.from_pretrained("hf-hub:someone/else")
    with pytest.raises(FolderError, match="no classifier to push"):
        push_classifier(tmp_path, "someone/news")


def test_a_folder_without_a_classifier_is_refused(tmp_path):
    with pytest.raises(FolderError, match=r"no config\.json"):
        GatedFusionClassifier.from_pretrained(tmp_path)


@pytest.mark.parametrize("damaged", ["config.json", "model.safetensors", "taxonomy.csv", "tokenizer"])
def test_a_folder_with_a_damaged_or_missing_part_is_refused_by_its_name(damaged, tmp_path):
    make_model(streams=(2,)).save_pretrained(tmp_path)
    part = tmp_path / damaged
    if part.is_file():
        part.write_bytes(b"\xff rubbish" * 9)
        with pytest.raises((FolderError, TaxonomyError), match=damaged):
            GatedFusionClassifier.from_pretrained(tmp_path)
        part.unlink()
    else:
        shutil.rmtree(part)
    with pytest.raises(FolderError, match=f"no {damaged} in it"):
        GatedFusionClassifier.from_pretrained(tmp_path)


def test_another_classifiers_weights_are_refused(tmp_path):
    for name, streams in (("text", (2,)), ("sound", (1,))):
        make_model(streams=streams).save_pretrained(tmp_path / name)
    shutil.copy(tmp_path / "sound" / "model.safetensors", tmp_path / "text")
    with pytest.raises(FolderError, match=r"text.model\.safetensors: .*Missing key"):
        GatedFusionClassifier.from_pretrained(tmp_path / "text")


def test_others_may_read_what_they_may_read_of_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        make_model(streams=(2,)).save_pretrained(tmp_path / "classifier")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "classifier").iterdir() if path.is_file()}
    assert set(modes.values()) == {0o640}, modes


def test_of_equals_path_and_top_name_the_same_leaf():
    model = make_model(streams=(2,)).eval()
    even = torch.full((3, len(TAXONOMY)), -1.0)
    output = replace(model(make_batch(model, size=3)), log_probs=even)
    for k in (1, 2, 4):
        for found in predictions(output, TAXONOMY, model.hierarchy, top=k):
            assert found.path_ids[-1] == found.top[0][0]
            assert [id_ for id_, _ in found.top] == [TAXONOMY.ids[leaf] for leaf in TAXONOMY.leaves[:k]]


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


def test_cached_features_equal_the_backbones():
    model = make_model(streams=(0,)).eval()
    sample = model.prepare(clip())
    with torch.no_grad():
        features = model.streams["frames"].encoder(sample.frames)
        from_pictures = model(collate([sample])).log_probs
        from_cache = model(collate([replace(sample, frames=features)])).log_probs
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


def test_alterations_spare_something_of_each_clip_and_say_what():
    model = make_model()
    batch = make_batch(model, size=64)
    altered, own = alter(batch, Alterations(dropout=0.3, swap=0.3, noise=0.4), torch.Generator().manual_seed(0))
    assert own.any(dim=1).all()
    assert not own.all()
    same = torch.stack(
        [
            ((before == after).flatten(1).all(dim=1))
            for before, after in zip(
                (batch.frames, batch.audio, batch.tokens), (altered.frames, altered.audio, altered.tokens), strict=True
            )
        ],
        dim=1,
    )
    assert same[own].all()
    assert (own <= altered.present).all()
    foreign = altered.present & ~own
    assert not (same & foreign)[:, :2].any()  # texts may be alike by chance


def test_alterations_are_a_function_of_the_generator():
    model = make_model()
    batch = make_batch(model, size=16)
    one, other = (alter(batch, model.alterations, torch.Generator().manual_seed(3))[0] for _ in range(2))
    assert torch.equal(one.frames, other.frames)
    assert torch.equal(one.audio, other.audio)
    assert torch.equal(one.tokens, other.tokens)
    assert torch.equal(one.present, other.present)


def test_a_clip_alone_in_its_batch_is_never_its_own_donor():
    model = make_model()
    batch = make_batch(model, size=1)
    for seed in range(20):
        altered, own = alter(batch, Alterations(dropout=0, swap=1, noise=0), torch.Generator().manual_seed(seed))
        assert torch.equal(own, batch.present)
        assert torch.equal(altered.audio, batch.audio)


def test_no_alterations_leave_the_batch_alone():
    model = make_model()
    batch = make_batch(model)
    altered, own = alter(batch, Alterations(dropout=0, swap=0, noise=0), torch.Generator().manual_seed(0))
    assert torch.equal(own, batch.present)
    assert torch.equal(altered.frames, batch.frames)
