"""A run's folder: its config, its metrics, and the rules for starting, continuing and refusing."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from framegate.media.errors import ProblemsError
from framegate.media.files import append_text, open_plain, write_text
from framegate.media.owned import MODELS, refuse_foreign
from framegate.recipes.config.recipe import RecipeConfig, dump_recipe, flat, read_values

NEUTRAL = ("run_dir", "data.store", "data.workers", "log.", "checkpoint.")
"""Keys that change nothing about what is learnt, wherever folders stand: a run may resume with others. (Another store
is told by its rows, see `framegate.recipes.training.data_digest`.)"""


class RunError(ProblemsError):
    """A run that may not be started or continued like this."""


class RunFolder:
    """``RUN_DIR/NAME/``: ``config.yaml``, ``metrics.jsonl``, ``checkpoints/``, and what the recipe adds.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.audit = path / "audit.json"

    def check(self, config: RecipeConfig, *, resume: bool, force: bool = False) -> None:
        """Check that a run may start here, or with ``resume`` continue; with nothing to continue, it starts.

        Raises:
            RunError: the run exists and ``resume`` is false, or its config differs and ``force`` is false.
            NotOursError: ``backbone/`` or ``classifier/``, with which runs end, holds what framegate did not write.
        """
        for name in MODELS:
            refuse_foreign(self.path / name, kinds=MODELS)
        if not resume:
            self.check_new()
        if not self.config.exists():
            return
        changes = _changes(read_values(self.config), config)
        if changes and not force:
            what = f"{self.path} was started with another config; --force continues all the same:"
            raise RunError([what, *changes])

    def check_new(self) -> None:
        """Check that no run has begun here.

        Raises:
            RunError: one has.
        """
        if self.config.exists():
            raise RunError(f"{self.path} is a run already: continue it with --resume, or give this one another name")

    def write_config(self, config: RecipeConfig) -> None:
        """Write ``config.yaml``; call it when nothing can refuse the run any more."""
        write_text(self.config, dump_recipe(config))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder against a second training; the lock ends with the process.

        Raises:
            RunError: another process trains in it; or the run would write elsewhere, through a link in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for path in (self.path / ".lock", self.metrics, self.checkpoints, self.path / "wandb"):
            if path.is_symlink():
                raise RunError(f"{path} is a link, and a run writes into its own folder alone: replace or delete it")
        with open_plain(self.path / ".lock", os.O_RDWR | os.O_CREAT) as file:
            try:
                # A record lock, unlike flock's, is not inherited by data workers, which may outlive a killed training.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError) as error:
                raise RunError(f"{self.path}: another process is training in it") from error
            except OSError:  # a file system without locks
                pass
            yield

    def identity(self) -> str:
        """Return the run's id at W&B, which stays the same when it is resumed: ``id`` of ``run.json``."""
        file = self.path / "run.json"
        if not file.exists():
            write_text(file, json.dumps({"id": secrets.token_hex(4)}))
        return str(json.loads(file.read_text(encoding="utf-8"))["id"])

    def rewind(self, step: int) -> None:
        """Delete rows of metrics after ``step``; the run will write them again."""
        if self.metrics.exists():
            kept = [line for line in self.metrics.read_text(encoding="utf-8").splitlines() if _step(line) <= step]
            write_text(self.metrics, "".join(f"{line}\n" for line in kept))

    def log(self, row: dict[str, Any]) -> None:
        """Append a row to ``metrics.jsonl``."""
        append_text(self.metrics, json.dumps(row) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of ``metrics.jsonl``."""
        return [json.loads(line) for line in self.metrics.read_text(encoding="utf-8").splitlines()]


def claim_export(out: Path, *, source: Path) -> None:
    """Refuse to replace ``out`` by an export of ``source`` unless ``out`` is an earlier export.

    Raises:
        RunError: it is the model folder that is exported, or is in it.
        NotOursError: it is a file or a link, or holds something that no export wrote.
    """
    if (source / "config.json").is_file() and out.resolve().is_relative_to(source.resolve()):
        raise RunError(f"{out}: the export would replace what it is made of: name another folder with --out")
    refuse_foreign(out, kinds=MODELS)


def _changes(before: dict[str, Any], config: RecipeConfig) -> list[str]:
    """Return the differences between a run's config and another; one of an older framegate is converted first."""
    with suppress(ValidationError):  # what says more than a recipe may say now is compared as it stands
        before = type(config).of(before).resolved()
    old, new = flat(before), flat(config.resolved())
    return [
        f"  {key}: {old.get(key)!r} → {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(NEUTRAL)
    ]


def _step(line: str) -> float:
    """Return the step of a row; infinity for a row that was half written when the run was killed."""
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError):
        return float("inf")
