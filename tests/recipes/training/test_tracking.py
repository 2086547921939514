"""W&B: offline unless logged in, and where the user says otherwise, as the user says."""

from pathlib import Path

import numpy as np
import pytest
from accelerate import Accelerator

from framegate.recipes.config.recipe import Section
from framegate.recipes.training.tracking import Board, logged_in, start_tracking


class Recipe(Section):
    """Something to write down."""

    answer: int = 42


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def track(run: Path) -> None:
    accelerator = Accelerator(log_with="wandb")
    start_tracking(accelerator, Recipe(), project="tests", name="run", run=run, run_id="0123abcd")
    board = Board(accelerator)
    board.picture("views", np.zeros((8, 8, 3), np.uint8), step=1, caption="<b>black</b>")
    board.histogram("similarity", [0, 3, 1], low=-1, high=1, step=1)
    board.alert("collapse", "words")
    accelerator.end_training()


def test_offline_unless_logged_in(tmp_path: Path) -> None:
    track(tmp_path)
    (files,) = tmp_path.glob("wandb/offline-run-*-0123abcd/files")
    assert len(list(files.glob("media/images/views_*.png"))) == 1
    assert "answer: 42" in (files / "config.yaml").read_text(encoding="utf-8")


def test_no_secret_of_the_environment_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    secrets = {"WANDB_API_KEY": "5ec4e7" * 7, "HF_TOKEN": "hf_5ec4e7token", "AWS_SECRET_ACCESS_KEY": "aws5ec4e7"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value[:40])
    monkeypatch.setenv("WANDB_MODE", "offline")
    track(tmp_path / "run")
    written = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert written
    told = "".join(capfd.readouterr()).encode()
    for value in secrets.values():
        assert not any(value[:40].encode() in content for content in [*written, told])


def test_the_users_mode_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    track(tmp_path)
    assert not list(tmp_path.glob("wandb/*run-*"))


def test_without_an_open_run_a_board_shows_nothing(tmp_path: Path) -> None:
    board = Board(Accelerator())
    board.picture("views", np.zeros((8, 8, 3), np.uint8), step=1, caption="")
    board.alert("collapse", "words")


def test_a_key_in_the_environment_or_the_login_file_is_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not logged_in()
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n", encoding="utf-8")
    (tmp_path / ".netrc").chmod(0o600)
    assert logged_in()
    (tmp_path / ".netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert logged_in()
