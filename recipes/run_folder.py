"""A run's folder: its config, its metrics, and the rules for starting, continuing and refusing."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framegate.media.errors import ProblemsError
from framegate.recipes.config import Section, dump_recipe, flat, read_values

NEUTRAL = ("run_dir", "data.store", "data.workers", "log.", "checkpoint.")
"""Keys that change nothing about what is learnt, wherever folders stand: a run may resume with others. (Another store
is told by its rows, see `framegate.recipes.data_digest`.)"""


class RunError(ProblemsError):
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
        self.audit = path / "audit.json"

    def check(self, config: Section, *, resume: bool, force: bool = False) -> None:
        """Whether a run may start here, or with ``resume`` continue; with nothing to continue, that starts one too.

        Raises:
            RunError: the run exists and ``resume`` was not said, or its config is another and ``force`` was not said.
        """
        written = self.path / "config.yaml"
        if not written.exists():
            return
        if not resume:
            raise RunError(f"{self.path} is a run already: continue it with --resume, or give this one another name")
        changes = _changes(read_values(written), config)
        if changes and not force:
            what = f"{self.path} was started with another config; --force continues all the same:"
            raise RunError([what, *changes])

    def write_config(self, config: Section) -> None:
        """Write ``config.yaml``, once all that could refuse the run has been asked."""
        write_text(self.path / "config.yaml", dump_recipe(config))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder from a second training; a process that dies lets go of it.

        Raises:
            RunError: another process trains in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as file:
            try:
                # A record lock, unlike flock's, is not inherited by data workers, which may outlive a killed training.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError) as error:
                raise RunError(f"{self.path}: another process is training in it") from error
            except OSError:  # a file system without locks
                pass
            yield

    def identity(self) -> str:
        """The name under which W&B knows this run, the same however often it is resumed: ``id`` of ``run.json``."""
        file = self.path / "run.json"
        if not file.exists():
            write_text(file, json.dumps({"id": secrets.token_hex(4)}))
        return json.loads(file.read_text(encoding="utf-8"))["id"]

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
    """Write a whole file or none, in a folder that is made if need be: aside first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    to_disk(aside)
    aside.replace(path)


def claim_export(out: Path, *, source: Path) -> None:
    """Make sure that nothing is lost when an export of ``source`` takes the place of ``out``: it is an earlier export.

    Raises:
        RunError: it is a file, or holds something else; or it is the model folder that is exported, or is in it.
    """
    if (source / "config.json").is_file() and out.resolve().is_relative_to(source.resolve()):
        raise RunError(f"{out}: the export would replace what it is made of: name another folder with --out")
    if not out.exists():
        return
    if not out.is_dir():
        raise RunError(f"{out} is a file: name a folder with --out")
    others = sorted(path.name for path in out.iterdir() if path.name not in _EXPORTED and path.suffix != ".onnx")
    if others:
        raise RunError(f"{out} holds {others[0]}, which no export wrote and this one would remove: name another folder")


_EXPORTED = {
    *("README.md", "config.json", "model.safetensors"),  # of all
    *("inputs.json", "preprocessing.json", "sound", "taxonomy.csv", "tokenizer"),  # of classifiers
}


def replace_folder(aside: Path, folder: Path) -> None:
    """Put a finished folder in its place, instead of an older one, which is never there by half."""
    to_disk(aside)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    aside.replace(folder)
    to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's list of names, are on the disk.

    Renaming is atomic, but says nothing of what is renamed.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
