"""A run is opened, restored, and only then trains; and it is closed however it ends."""

import signal
from pathlib import Path

import pytest

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.training.run_setup import RestoredRun, RunSetup, open_run
from framegate.recipes.training.training_run import TrainingRun

OF_THE_LOOP = ("batches", "waiting", "check", "log_due", "log", "checkpoint_if_due", "end_after")


def test_what_a_loop_calls_is_there_only_once_the_state_is_restored() -> None:
    assert all(hasattr(TrainingRun, name) for name in OF_THE_LOOP)
    assert not any(hasattr(early, name) for early in (RunSetup, RestoredRun) for name in OF_THE_LOOP)
    assert not hasattr(TrainingRun, "restore")


def test_a_run_that_fails_gives_back_its_signal_and_its_folder(tmp_path: Path) -> None:
    config = read_recipe(PretrainConfig, "moco_small", [f"run_dir={tmp_path}", "log.wandb_project=null"])
    before = signal.getsignal(signal.SIGTERM)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), open_run(config) as setup:
            assert signal.getsignal(signal.SIGTERM) == setup.note_signal
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "moco_small" / "config.yaml").exists()
