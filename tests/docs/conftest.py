"""The small corpus that pages and examples run on, with its store and two runs, made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from framegate.recipes.cli import main
from framegate.recipes.corpus import make_corpus
from tests.docs.snippets import tiny

Framegate = Callable[..., int]
ALWAYS = ("clips.csv", "taxonomy.csv", "videos", "new_film.mp4")


def run_command(*arguments: object) -> int:
    """Run a command in this process, and return its exit code."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


@pytest.fixture
def framegate() -> Framegate:
    return run_command


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reader's files (`ALWAYS`), their store, and the runs that most pages start from."""
    folder = tmp_path_factory.mktemp("docs") / "made"
    make_corpus(folder, clips=24, seed=3)
    (folder / "manifest.csv").rename(folder / "clips.csv")
    shutil.copy(next((folder / "videos").iterdir()), folder / "new_film.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in (
            "framegate extract clips.csv --out store",
            "framegate pretrain moco_small data.store=store name=first",
            "framegate finetune fusion_small data.store=store name=fusion streams.frames.backbone=runs/first/backbone",
        ):
            assert run_command(*tiny(command.split())) == 0, command
    return folder


@pytest.fixture
def prepared(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a fresh folder with the reader's files and what else is named, and go there."""

    def prepare(*more: str) -> Path:
        for name in (*ALWAYS, *more):
            copy = tmp_path / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(made / name, copy) if (made / name).is_dir() else shutil.copy(made / name, copy)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return prepare
