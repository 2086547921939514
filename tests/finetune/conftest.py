"""Folders of encoders, and of classifiers with them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from framegate.finetune.streams.streams import AudioConfig, TextConfig
from tests.finetune.encoders.small_encoders import create, save_ast, save_bert, save_wav2vec2, save_whisper


@pytest.fixture(scope="session")
def encoder_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders `bert`, `ast`, `wav2vec2` and `whisper`, and the classifiers `text` and `sound`."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoders")
    for name, save in (("bert", save_bert), ("ast", save_ast), ("wav2vec2", save_wav2vec2), ("whisper", save_whisper)):
        save(folder / name)
    create(text=TextConfig(backbone=str(folder / "bert"))).save_pretrained(folder / "text")
    create(audio=AudioConfig(backbone=str(folder / "ast"), window_seconds=0.5)).save_pretrained(folder / "sound")
    return folder


@pytest.fixture
def copy_folder(encoder_folders: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies one of them, to be spoilt."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(encoder_folders / name, tmp_path / name))

    return copy
