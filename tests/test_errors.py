"""Errors: each is a `FramegateError` with an exit code, which the command line ends with."""

import ast
import importlib
import pickle
from pathlib import Path

import pytest

from framegate.media.errors import FramegateError, MediaError, exit_code_of
from framegate.recipes import cli
from framegate.recipes.training.launch import LaunchError
from framegate.recipes.training.training_errors import StoppedError, TrainingError

ROOT = Path(__file__).parents[1]
PARTS = ("media", "augment", "ssl", "finetune", "recipes")


def error_classes() -> list[type[BaseException]]:
    """All exceptions that our packages define, found by their names and bases."""
    found = []
    for file in (file for part in PARTS for file in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.name, *map(ast.unparse, node.bases)] if isinstance(node, ast.ClassDef) else []
            if any(name.endswith(("Error", "Exception")) for name in names):
                module = ".".join(("framegate", *file.relative_to(ROOT).with_suffix("").parts))
                found.append(getattr(importlib.import_module(module), names[0]))
    return found


def test_each_error_of_ours_is_a_framegate_error_with_an_exit_code() -> None:
    found = error_classes()
    assert len(found) > 20
    for kind in found:
        assert issubclass(kind, FramegateError), kind
        assert kind.exit_code == (3 if kind is StoppedError else 1 if issubclass(kind, RuntimeError) else 2), kind
        error = kind("what")
        assert str(error) == "what"
        assert str(pickle.loads(pickle.dumps(error))) == "what"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MediaError("a"), 2),
        (TrainingError("a"), 1),
        (LaunchError("a"), 1),
        (StoppedError("a"), 3),
        (ValueError("a"), 1),
        (FileNotFoundError(2, "a"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_command_line_ends_with_the_exit_code_of_the_error(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["doctor"])
    assert leaving.value.code == exit_code_of(error) == code
    assert capsys.readouterr().err.startswith("framegate: ")
