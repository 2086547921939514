"""A tiny corpus and its store, made once for all tests of the recipes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from framegate.recipes.cli import main
from framegate.recipes.corpus import make_corpus

Framegate = Callable[..., int]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def framegate() -> Framegate:
    """Runs a command in this process, and gives its exit code."""

    def run(*arguments: object) -> int:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            return int(leaving.code or 0)
        return 0

    return run


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "corpus"
    make_corpus(folder, clips=40, seed=3)
    return folder


@pytest.fixture(scope="session")
def store(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from framegate import extract

    folder = tmp_path_factory.mktemp("store") / "store"
    extract(str(corpus / "manifest.csv"), str(folder))
    return folder
