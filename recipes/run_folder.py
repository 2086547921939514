"""A run's folder: its config, its metrics, and the rules for starting, continuing and refusing."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from framegate.recipes.config import Section, dump_recipe, flat

NEUTRAL = ("data.workers", "log.", "checkpoint.")
"""Keys that change nothing about what is learnt; a run may resume with others."""


class RunError(ValueError):
    """A run that may not be started or continued like this."""


class RunFolder:
    """``RUN_DIR/NAME/``: ``config.yaml``, ``metrics.jsonl``, ``checkpoints/``, and what the recipe adds.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"

    @classmethod
    def open(cls, config: Section, *, run_dir: Path, name: str, resume: bool, force: bool = False) -> "RunFolder":
        """Start a run, or with ``resume`` continue it; with nothing there to continue, ``resume`` starts one too.

        Raises:
            RunError: the run exists and ``resume`` was not said, or its config is another and ``force`` was not said.
        """
        run = cls(run_dir / name)
        written = run.path / "config.yaml"
        if written.exists():
            if not resume:
                raise RunError(f"{run.path} is a run already: continue it with --resume, or give this one another name")
            changes = _changes(yaml.safe_load(written.read_text(encoding="utf-8")), config)
            if changes and not force:
                listed = "\n".join(changes)
                raise RunError(f"{run.path} was started with another config; --force continues all the same:\n{listed}")
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        write_text(written, dump_recipe(config))
        return run

    def rewind(self, step: int) -> None:
        """Forget rows of metrics after ``step``: the run will write them again."""
        if self.metrics.exists():
            kept = [line for line in self.metrics.read_text(encoding="utf-8").splitlines() if _step(line) <= step]
            write_text(self.metrics, "".join(f"{line}\n" for line in kept))

    def log(self, row: dict[str, Any]) -> None:
        """Append a row to ``metrics.jsonl``."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """All rows of ``metrics.jsonl``."""
        return [json.loads(line) for line in self.metrics.read_text(encoding="utf-8").splitlines()]


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none: aside first, then renamed."""
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def replace_folder(aside: Path, folder: Path) -> None:
    """Put a finished folder in its place, instead of an older one."""
    if folder.exists():
        shutil.rmtree(folder)
    aside.replace(folder)


def _changes(before: dict[str, Any], config: Section) -> list[str]:
    old, new = flat(before), flat(config.model_dump(mode="json"))
    return [
        f"  {key}: {old.get(key)!r} → {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(NEUTRAL)
    ]


def _step(line: str) -> float:
    """The step of a row; a row that was being written when the run was killed counts as later than any."""
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError):
        return float("inf")
