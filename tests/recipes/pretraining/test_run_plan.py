"""`framegate pretrain auto`: it chooses by the machine, the store and the time, says why, and keeps to the time."""

import json
import time
from pathlib import Path

import pytest

from framegate.media import MediaError
from framegate.recipes.config.recipe import RecipeError
from framegate.recipes.pretraining import run_plan
from framegate.recipes.pretraining.run_plan import plan_run, seconds_of
from framegate.recipes.pretraining.trial_run import Trial, trial_run

TINY = ("backbone.name=test_resnet", "backbone.image_size=32", "optim.batch_size=8", "data.workers=1")


def planned(store: Path, monkeypatch, *overrides: str, budget: float, speeds: dict[str, float]) -> run_plan.RunPlan:
    """A plan for a machine of the given speeds in images a second."""

    def speed(recipe: str, given: list[str], *, processes: int, seconds: float) -> Trial:
        return Trial(speeds[dict(value.split("=") for value in given)["compute.precision"]], seconds=5.0)

    monkeypatch.setattr(run_plan, "trial_run", speed)
    return plan_run([f"data.store={store}", *TINY, *overrides], budget=budget)


def epochs(plan: run_plan.RunPlan) -> int:
    return int(dict(value.split("=") for value in plan.overrides)["optim.epochs"])


def test_twice_the_speed_makes_twice_the_epochs_and_none_is_longer_than_the_time(store: Path, monkeypatch):
    slow, fast = (
        planned(store, monkeypatch, budget=100, speeds={"fp32": speed, "bf16": 1.0}) for speed in (100.0, 200.0)
    )
    assert epochs(fast) == pytest.approx(2 * epochs(slow), abs=1)
    frames = int(slow.reasons[-1].split(" epochs of ")[1].split()[0]) * 8
    assert epochs(slow) * frames / 100.0 < 100 * 0.9 - 20 - 2 * 5


def test_fewer_frames_of_each_video_make_more_epochs(store: Path, monkeypatch):
    speeds = {"fp32": 100.0, "bf16": 1.0}
    whole = planned(store, monkeypatch, budget=100, speeds=speeds)
    fewer = planned(store, monkeypatch, "data.frames_per_video=1", budget=100, speeds=speeds)
    assert epochs(fewer) > 2 * epochs(whole)


def test_bf16_is_taken_where_it_is_faster_and_not_where_it_is_as_fast(store: Path, monkeypatch):
    for bf16, chosen in ((103.0, "fp32"), (150.0, "bf16")):
        plan = planned(store, monkeypatch, budget=100, speeds={"fp32": 100.0, "bf16": bf16})
        assert f"compute.precision={chosen}" in plan.overrides
        assert any(f"precision {chosen}" in reason and "fp32 100" in reason for reason in plan.reasons)


def test_a_trial_that_takes_long_is_the_only_one(store: Path, monkeypatch):
    plan = planned(store, monkeypatch, budget=60, speeds={"fp32": 100.0})
    assert "compute.precision=fp32" in plan.overrides


def test_what_the_user_says_stays(store: Path, monkeypatch):
    plan = planned(store, monkeypatch, "optim.epochs=3", "name=mine", budget=100, speeds={})
    assert "optim.epochs=3" in plan.overrides and plan.overrides[-1] != "name=auto"
    assert dict(value.split("=") for value in plan.overrides)["name"] == "mine"
    plan = planned(store, monkeypatch, "compute.precision=bf16", budget=100, speeds={"bf16": 50.0})
    assert plan.overrides[-2] == "compute.precision=bf16"


def test_a_time_in_which_no_epoch_fits_is_refused_with_one_that_is_enough(store: Path, monkeypatch):
    with pytest.raises(MediaError, match=r"give --budget \d+min") as refused:
        planned(store, monkeypatch, budget=60, speeds={"fp32": 1.0, "bf16": 1.0})
    enough = seconds_of(str(refused.value).split("--budget ")[1].split(",")[0])
    assert epochs(planned(store, monkeypatch, budget=enough, speeds={"fp32": 1.0, "bf16": 1.0})) >= 1
    assert len(str(refused.value)) < 300


def test_a_store_without_a_batch_and_no_store_at_all_are_named(store: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"data\.store=STORE"):
        plan_run([], budget=60)
    with pytest.raises(MediaError, match="do not fill one batch of 5000"):
        plan_run([f"data.store={store}", "optim.batch_size=5000"], budget=60)


@pytest.mark.parametrize("text", ["", "2", "soon", "2 weeks", "-1h", "1h lang"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(ValueError, match="no length of time"):
        seconds_of(text)


@pytest.mark.slow
def test_a_trial_that_fails_says_what_the_training_said(store: Path):
    with pytest.raises(MediaError, match=r"a trial of moco_small did not train: .*no_such_model"):
        trial_run("moco_small", [f"data.store={store}", "backbone.name=no_such_model"])


def test_a_budget_without_auto_is_refused(store: Path, framegate, capsys):
    assert framegate("pretrain", "moco_small", f"data.store={store}", "--budget", "1h") == 2
    assert "auto" in capsys.readouterr().err
    assert framegate("pretrain", "auto", f"data.store={store}", "--budget", "soon") == 2
    assert "2h, 90min" in capsys.readouterr().err


@pytest.mark.slow
def test_a_planned_run_ends_within_its_time_and_resumes_as_planned(
    store: Path, framegate, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the trials' processes; this one has one thread already
    call = ["pretrain", "auto", f"data.store={store}", f"run_dir={tmp_path}", *TINY, "log.wandb_project=null"]
    began = time.monotonic()
    assert framegate(*call, "--budget", "90s") == 0
    assert time.monotonic() - began < 90
    said = capsys.readouterr().err
    assert "this machine has" in said and "epochs of" in said
    run = tmp_path / "auto"
    assert (run / "backbone" / "config.json").is_file()
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert framegate(*call) == 2
    assert "is a run already" in capsys.readouterr().err
    assert framegate(*call, "--resume") == 0
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == steps
