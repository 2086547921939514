"""Fine-tuning with everything on: stopped and continued, stopped early, calibrated."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import framegate.recipes.finetuning.validation as validation
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.media import Clip, FrameStore, MediaError, extract
from framegate.recipes import finetune as recipe
from framegate.recipes.commands.training.evaluate_command import open_classifier
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.recipe import RecipeError, read_recipe
from framegate.recipes.finetune import finetune
from framegate.recipes.finetuning.best_weights import BestWeights, moving_average
from framegate.recipes.finetuning.measure import evaluation, labelled_rows
from framegate.recipes.finetuning.validation import calibrate, uncalibrated, validate
from framegate.recipes.training.training_errors import TrainingError
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from tests.recipes.runs import checkpoints, differing, tensors

EVERYTHING = (
    *("augment.mixup=0.4", "augment.drop=0.5", "augment.crop=0.5", "streams.frames.train=last"),
    *("data.sampler=class_balanced", "optim.ema=0.8", "optim.patience=100", "optim.layer_decay=0.7"),
    *("loss.adaptive=true",),
)
WORDS_ALONE = ("streams.frames=null", "streams.audio=null")  # the quickest training that there is


def config(store: Path, runs: Path, *extra: str) -> FinetuneConfig:
    overrides = [
        *(f"data.store={store}", f"run_dir={runs}", "name=moco_small", "log.wandb_project=null", "log.every=1"),
        *("streams.frames.backbone=test_resnet", "optim.epochs=2", "optim.batch_size=8", "checkpoint.every=2"),
        *("data.frames=3", "data.audio_seconds=1", "optim.lr=0.064", *extra),
    ]
    return read_recipe(FinetuneConfig, "fusion_small", overrides)


def logged(run: Path, name: str) -> set[float | None]:
    return {json.loads(line)[name] for line in (run / "metrics.jsonl").read_text().splitlines()}


class KilledError(RuntimeError):
    pass


@pytest.mark.timeout(300)
def test_a_fine_tuning_with_everything_on_resumes_exactly(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finetune(config(store, whole, *EVERYTHING))
    with monkeypatch.context() as patch:
        loss, calls = recipe.training_loss, iter(range(100))

        def dying(*args: object, **kwargs: object) -> object:
            if next(calls) == 3:
                raise KilledError
            return loss(*args, **kwargs)  # type: ignore[arg-type]

        patch.setattr(recipe, "training_loss", dying)
        with pytest.raises(KilledError):
            finetune(config(store, broken, *EVERYTHING))
    assert checkpoints(broken)
    finetune(config(store, broken, *EVERYTHING), resume=True)
    assert differing(whole, broken) == []
    assert tensors(checkpoints(whole)[-1])["model:swaps.log_share"].any()  # learnt, and part of the state
    one, other = (GatedFusionClassifier.from_pretrained(runs / "moco_small" / "classifier") for runs in (whole, broken))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_a_checkpoint_before_the_first_validation_is_written_and_resumed_exactly(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No score is known by then; that it is −inf is no number gone wrong."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = (*WORDS_ALONE, "optim.patience=2", "optim.batch_size=4", "optim.epochs=1", "optim.ema=0.9")
    finetune(config(store, whole, *options))
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "validate", lambda *args: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            finetune(config(store, broken, *options))
    last = tensors(checkpoints(broken)[-1])
    assert last["model:best.score"].tolist() == [float("-inf")] * 2
    finetune(config(store, broken, *options), resume=True)
    assert differing(whole, broken) == []
    assert tensors(checkpoints(whole)[-1])["model:best.score"].isfinite().all()
    assert logged(whole / "moco_small", "momentum") == {0.9}


def test_a_weight_that_is_not_a_number_still_ends_a_run_whatever_its_scores(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = torch.nn.utils.clip_grad_norm_

    def spoil(parameters: Iterator[torch.nn.Parameter], *args: float, **kwargs: float) -> object:
        weights = list(parameters)
        weights[0].data.fill_(float("nan"))
        return clip(weights, *args, **kwargs)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spoil)
    with pytest.raises(TrainingError, match="a weight is not a number at step 1: "):
        finetune(config(store, tmp_path, *WORDS_ALONE, "optim.patience=2", "checkpoint.every=1", "log.every=100"))


@pytest.mark.timeout(300)
def test_training_stops_when_the_validation_clips_have_had_enough(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.5, 0.7, 0.6, 0.7, 0.9, 0.9])
    monkeypatch.setattr(recipe, "validate", lambda model, clips: (next(values), -1.0))
    options = ("optim.epochs=6", "optim.patience=2")
    run = finetune(config(store, tmp_path, *options))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["epoch"] == 3  # neither 0.6 nor another 0.7 beats 0.7
    assert checkpoints(tmp_path)[-1].name == f"step-{rows[-1]['step']:07d}"
    assert next(values) == 0.9
    finetune(config(store, tmp_path, *options), resume=True)  # it has ended: nothing is validated, nothing trained
    assert next(values) == 0.9


def test_the_best_weights_are_those_with_the_highest_value() -> None:
    model = torch.nn.Linear(1, 1)
    best = BestWeights(model)
    for weight, accuracy in [(1.0, 0.3), (2.0, 0.6), (3.0, 0.6), (4.0, 0.1)]:
        torch.nn.init.constant_(model.weight, weight)
        best.offer(model, (accuracy, -1.0))
    assert best.model.weight.item() == 2.0
    assert (best.score.tolist(), int(best.misses)) == ([0.6, -1.0], 2)
    again = BestWeights(torch.nn.Linear(1, 1))
    again.load_state_dict(best.state_dict())
    assert (again.model.weight.item(), int(again.misses)) == (2.0, 2)


def test_likelier_labels_decide_between_equally_accurate_models_alone() -> None:
    """Scores used to be added up, accuracy + log-likelihood / 1000: 1 clip of 100 weighed as much as 10 nats."""
    model = torch.nn.Linear(1, 1)
    best = BestWeights(model)
    nan = float("nan")
    scores = [(0.80, -0.5), (0.81, -30.0), (0.81, -2.0), (0.81, -3.0), (0.80, -0.1), (0.81, nan), (nan, 0.0)]
    for weight, score in enumerate(scores):
        torch.nn.init.constant_(model.weight, weight)
        best.offer(model, score)
    assert best.model.weight.item() == 2
    assert (best.score.tolist(), int(best.misses)) == ([0.81, -2.0], 4)


def test_validation_gives_the_accuracy_and_apart_from_it_how_likely_the_labels_are(store: Path, run: Path) -> None:
    model, clips = open_classifier(run / "classifier", FrameStore(store))
    rows = list(labelled_rows(clips, "val"))
    score = validate(model, clips)
    figures, outputs = evaluation(model, clips, rows)
    assert score.accuracy == pytest.approx(figures["levels"]["leaf"]["top1"])
    likelihoods = [
        np.log(outputs.probabilities[place, list(clips.labels[row])]).mean() for place, row in enumerate(rows)
    ]
    assert score.log_likelihood == pytest.approx(np.mean(likelihoods), rel=1e-4)


def test_a_checkpoint_with_one_value_for_both_still_opens() -> None:
    best = BestWeights(torch.nn.Linear(1, 1))
    old = {name: tensor for name, tensor in best.state_dict().items() if name != "score"}
    best.load_state_dict({**old, "value": torch.tensor(0.7995, dtype=torch.float64), "misses": torch.tensor(3)})
    assert (best.score.tolist(), int(best.misses)) == ([0.7995, 0.0], 3)


def test_without_a_moving_average_the_metrics_have_no_number_for_its_momentum(run: Path) -> None:
    assert logged(run, "momentum") == {None}


def test_the_moving_average_moves_by_its_momentum() -> None:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(model.weight, 1.0)
    average = moving_average(model, 0.75)
    average.update_parameters(model)  # the first is taken as it is
    torch.nn.init.constant_(model.weight, 5.0)
    average.update_parameters(model)
    assert average.module.weight.item() == pytest.approx(2.0)
    assert not average.module.weight.requires_grad


@pytest.mark.parametrize("momentum", [0.9, 0.9999])
def test_the_moving_average_copies_whole_numbers(momentum: float) -> None:
    model = torch.nn.Linear(1, 1)
    model.register_buffer("places", torch.arange(20))
    average = moving_average(model, momentum)
    for _ in range(3):
        average.update_parameters(model)
    assert torch.equal(average.module.places, torch.arange(20))


def test_a_resumed_run_keeps_its_backbone_where_the_folder_has_another_by_then(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    folder = tmp_path / "backbone"
    export_backbone(Backbone("test_resnet", image_size=32), folder, card="")
    options = (f"streams.frames.backbone={folder}", "streams.text=null", "streams.audio=null", "checkpoint.every=1")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finetune(config(store, whole, *options))
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "calibrate", lambda *args: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            finetune(config(store, broken, *options))
    for checkpoint in checkpoints(broken)[1:]:
        shutil.rmtree(checkpoint)
    export_backbone(Backbone("test_resnet", image_size=32), folder, card="")  # of other random weights
    finetune(config(store, broken, *options), resume=True)
    assert differing(whole, broken) == []
    one, other = (GatedFusionClassifier.from_pretrained(runs / "moco_small" / "classifier") for runs in (whole, broken))
    assert torch.equal(one.temperature, other.temperature)


def test_calibration_takes_some_clips_of_large_trees(store: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, clips = open_classifier(run / "classifier", FrameStore(store))
    answered: list[int] = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda batch: answered.append(len(batch)) or forward(batch))
    calibrate(model, clips)
    every = sum(answered)
    answered.clear()
    monkeypatch.setattr(validation, "_MAX_VALUES", len(model.hierarchy) * every // 2)
    calibrate(model, clips)
    assert 0 < sum(answered) <= (every + 1) // 2
    assert torch.isfinite(model.temperature).all()


def test_patience_without_validation_clips_is_refused_before_anything_is_written(store: Path, tmp_path: Path) -> None:
    titles = tmp_path / "titles"
    extract([Clip(id=f"c{n}", title="rain", label="news", split="train") for n in range(4)], titles)
    (titles / "taxonomy.csv").write_text("id,parent\nnews,\nshows,\n", encoding="utf-8")
    with pytest.raises(MediaError, match=r"optim\.patience needs labelled clips in split 'val'"):
        finetune(config(titles, tmp_path, "streams.frames=null", "streams.audio=null", "optim.patience=2"))
    assert not (tmp_path / "moco_small").exists()


def test_a_batch_that_the_processes_cannot_share_leaves_the_runs_name_free(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"optim\.batch_size is 8"):
        finetune(config(store, tmp_path, "optim.accumulate=3"))
    with pytest.raises(MediaError, match="too few for 1 processes × 500"):
        finetune(config(store, tmp_path, "optim.accumulate=500"))
    finetune(config(store, tmp_path, "streams.frames=null", "streams.audio=null", "optim.epochs=1"))


@pytest.mark.slow
def test_clips_of_several_labels_are_trained_on_and_evaluated(tmp_path: Path) -> None:
    """Titles that name what a clip shows, one thing or two; half of the validation clips are of two."""
    words = {"rain": "news/weather", "goal": "sport/ball", "song": "music"}
    both = [(a, b) for a in words for b in words if a <= b]
    clips = [
        Clip(
            id=f"{split}{number}",
            title=" ".join(dict.fromkeys(named)),
            label="|".join(words[word] for word in dict.fromkeys(named)),
            split=split,
            programme=f"{split}{number}",
        )
        for split, count in (("train", 48), ("val", 12))
        for number in range(count)
        for named in [both[number % len(both)]]
    ]
    titles = tmp_path / "titles"
    extract(clips, titles)
    tree = "id,parent,name\nn,,news\ns,,sport\nm,,music\nw,n,weather\nb,s,ball\n"
    (titles / "taxonomy.csv").write_text(tree, encoding="utf-8")
    options = (
        "streams.frames=null",
        "streams.audio=null",
        "head.name=multilabel",
        "optim.epochs=30",
        "augment.mixup=0.2",
    )
    run = finetune(config(titles, tmp_path, *options))
    model, samples = open_classifier(run / "classifier", FrameStore(titles))
    rows = labelled_rows(samples, "val")
    figures, outputs = evaluation(model, samples, rows)
    assert figures["levels"]["leaf"]["map"] > 0.95
    assert figures["levels"]["leaf"]["top1"] > 0.9
    found = outputs.probabilities > 0.5
    holds = np.zeros_like(found)
    for place, row in enumerate(rows):
        for node in samples.labels[row]:
            holds[place, model.taxonomy.path(node)] = True
    assert (found == holds).mean() > 0.9
    assert found[:, model.taxonomy.leaves].sum(axis=1).max() == 2


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return finetune(config(store, tmp_path_factory.mktemp("runs"), "optim.epochs=3"))


def test_temperatures_are_fitted_on_the_validation_clips_and_kept(store: Path, run: Path) -> None:
    model, clips = open_classifier(run / "classifier", FrameStore(store))
    assert not torch.equal(model.temperature, torch.ones(3))
    kept = model.temperature.clone()
    model.temperature.fill_(1)
    calibrate(model, clips)
    torch.testing.assert_close(model.temperature, kept)
    fitted = validate(model, clips)
    with uncalibrated(model):
        assert torch.equal(model.temperature, torch.ones(3))
        assert validate(model, clips) < fitted
    torch.testing.assert_close(model.temperature, kept)


@pytest.mark.slow
def test_evaluation_tells_the_calibration_error_before_and_after(store: Path, run: Path) -> None:
    model, clips = open_classifier(run / "classifier", FrameStore(store))
    rows = np.flatnonzero([bool(nodes) for nodes in clips.labels])
    figures, _ = evaluation(model, clips, rows)
    model.temperature.fill_(1)
    plain, _ = evaluation(model, clips, rows)
    for level, values in figures["levels"].items():
        assert values["ece_uncalibrated"] == pytest.approx(plain["levels"][level]["ece"])
    assert any(values["ece"] != values["ece_uncalibrated"] for values in figures["levels"].values())


def test_looking_again_at_cached_features_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises((RecipeError, ValidationError), match="set streams"):
        config(store, tmp_path, "augment.drop=0.5")


def test_a_store_with_nothing_that_the_model_takes_is_refused(store: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    extract([Clip(id=f"c{number}", title="rain", label="news", split="train") for number in range(4)], silent)
    (silent / "taxonomy.csv").write_text("id,parent\nnews,\nshows,\n", encoding="utf-8")
    with pytest.raises(MediaError, match="no labelled clip in split 'train' has frames or audio"):
        finetune(config(silent, tmp_path, "streams.text=null"))
    assert not (tmp_path / "moco_small").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("streams.text.heads=5", "a text encoder of width 64 cannot be cut into 5 heads"),
        ("streams.frames.aggregation.dropout=1", "'streams.frames.aggregation.dropout' is 1: input should be less"),
        ("streams.frames.lr=0", "'streams.frames.lr' is 0: input should be greater than 0"),
        ("fusion.width=30", "a fusion's width is divisible by 8, and 30 is not"),
        ("fusion.modality_dropout=2", "'fusion.modality_dropout' is 2: input should be less"),
        ("fusion.modality_dropout=0.95", "of dropout and noise, or all swaps, at most 1 together"),
        ("head.experts=0", "'head.experts' is 0: input should be greater than 0"),
        ("head.rank=0", "'head.rank' is 0: input should be greater than 0"),
        ("loss.label_smoothing=1", "'loss.label_smoothing' is 1: input should be less than 1"),
        ("name=..", "'name' is '..'"),
        ("head.name=multilabel loss.balance=logit_adjust", "asks each node by itself: set loss.balance=none"),
        ("head.name=multilabel fusion.name=mean", "a multilabel head has no part in it"),
    ],
)
def test_values_that_make_no_classifier_are_refused_plainly(store, tmp_path, override: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        config(store, tmp_path, *override.split())
    assert message in str(error.value)
