"""Examples in docstrings are run, so that they stay true."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "media/store/frame_store.py",  # on a store: tests/media/store/test_store.py
    "recipes/pretraining/pretrain_watch.py",  # a part of the loop in recipes/pretrain.py
}


def modules_with_examples() -> list[str]:
    files = [
        file for part in ("media", "augment", "ssl", "finetune", "recipes") for file in (ROOT / part).rglob("*.py")
    ]
    return sorted(
        ".".join(("framegate", *file.relative_to(ROOT).with_suffix("").parts))
        for file in files
        if file.relative_to(ROOT).as_posix() not in ELSEWHERE
        and re.search(r"^\s*>>> ", file.read_text(encoding="utf-8"), re.MULTILINE)
    )


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_are_true(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted > 0
    assert done.failed == 0
