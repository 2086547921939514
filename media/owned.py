"""Folders that framegate may replace or delete: a marker in them lists everything that framegate wrote.

``.framegate.json``: ``{"framegate": VERSION, "kind": KIND, "files": [PATH, …], "links": […], "folders": […]}``, paths
relative to the folder, with ``/``. What the list does not name is somebody else's: a folder that holds such a thing is
refused, and what appears while a folder is being replaced is kept. Names in a list are only ever compared with what
lies in the folder, so that a list of a stranger reaches nothing outside; links are never followed.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from framegate.media.errors import FramegateError
from framegate.media.files import open_plain, replace_folder, write_text

MARKER = ".framegate.json"
MODELS = ("backbone", "classifier")
"""The kinds of folders that exports write and replace, and their names in a run, which ends with one of them."""
_MARKER_BYTES = 16 << 20
_LOG = logging.getLogger(__name__)


class NotOursError(FramegateError, ValueError):
    """A file or folder that framegate did not write, in the place of one that it would replace."""


_Sort = Literal["files", "links", "folders"]
_Names = dict[_Sort, frozenset[str]]
_NOTHING: _Names = {"files": frozenset(), "links": frozenset(), "folders": frozenset()}


@cache
def framegate_version() -> str:
    """The installed version of framegate."""
    try:
        return version("framegate")
    except PackageNotFoundError:  # from a checkout that is not installed
        return "unknown"


def refuse_foreign(folder: Path, *, kinds: Iterable[str], writer: str = "export") -> None:
    """Make sure that nothing is lost when a new folder takes the place of ``folder``: it is absent, empty or ours.

    Args:
        folder: what would be replaced.
        kinds: which of our folders may be.
        writer: what did not write a foreign file, for the message.

    Raises:
        NotOursError: it is a file or a link, or holds something that its marker does not list.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink():
        raise NotOursError(f"{folder} is a link: name the folder that it leads to, or another one")
    if not folder.is_dir():
        raise NotOursError(f"{folder} is a file: name a folder")
    if (foreign := first_foreign(folder, kinds=kinds)) is not None:
        raise NotOursError(
            f"{folder} holds {foreign}, which no {writer} wrote (or one of a version that kept no lists): "
            "name another folder, or move this one away"
        )


def first_foreign(folder: Path, *, kinds: Iterable[str]) -> str | None:
    """The first entry below ``folder`` that its marker does not list; None if there is none.

    Without a marker of one of the ``kinds`` nothing is listed.
    """
    listed = _read(folder, kinds)
    for name, sort in _entries(folder):
        if name not in listed[sort] and (name, sort) != (MARKER, "files"):
            return name
    return None


def is_marked(folder: Path, *, kinds: Iterable[str]) -> bool:
    """Whether ``folder`` bears the marker of one of the ``kinds``."""
    return _read(folder, kinds) is not _NOTHING


def mark(folder: Path, *, kind: str, among: Iterable[str] | None = None) -> None:
    """Write the marker of a folder: it lists what is in it now.

    Args:
        folder: an existing folder.
        kind: what it is: ``backbone``, ``classifier``, ``demo``.
        among: list only these entries of the folder, and what is in them; None: all of it.
    """
    names: dict[_Sort, list[str]] = {sort: [] for sort in _NOTHING}
    for name, sort in sorted(_entries(folder)):
        if name != MARKER and (among is None or name.split("/")[0] in among):
            names[sort].append(name)
    write_text(folder / MARKER, json.dumps({"framegate": framegate_version(), "kind": kind, **names}, indent=1) + "\n")


def put_in_place(aside: Path, folder: Path, *, kind: str, kinds: Iterable[str]) -> None:
    """Mark a finished folder, and let it take the place of ``folder``; of an older one the listed files are deleted.

    Raises:
        NotOursError: ``folder`` is not ours; then nothing has changed.
    """
    mark(aside, kind=kind)
    refuse_foreign(folder, kinds=kinds)
    old = replace_folder(aside, folder)
    if old is not None and not delete_listed(old, kinds=kinds):
        _LOG.warning("%s: what appeared in it meanwhile is kept in %s", folder, old)


def delete_listed(folder: Path, *, kinds: Iterable[str]) -> bool:
    """Delete what the marker of ``folder`` lists, the marker, folders that are empty then, and ``folder`` itself.

    Returns:
        Whether all of it is gone; anything that is not listed stays.
    """
    listed, entries = _read(folder, kinds), list(_entries(folder))
    for name, sort in entries:
        if sort != "folders" and name in listed[sort]:
            (folder / name).unlink(missing_ok=True)
    if (MARKER, "files") in entries:  # last: what a kill leaves is listed still
        (folder / MARKER).unlink()
    inner = [folder / name for name, sort in entries if sort == "folders" and name in listed[sort]]
    for path in [*sorted(inner, key=lambda path: -len(path.parts)), folder]:
        with suppress(OSError):  # something is still in it
            path.rmdir()
    return not folder.exists()


def _entries(folder: Path) -> Iterator[tuple[str, _Sort]]:
    """All that lies below ``folder``, by its relative name; what a link leads to does not."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:  # a program that is ending cleans up after itself
            continue
        for entry in entries:
            sort: _Sort = "links" if entry.is_symlink() else "folders" if entry.is_dir() else "files"
            yield Path(entry.path).relative_to(folder).as_posix(), sort
            if sort == "folders":
                waiting.append(Path(entry.path))


def _read(folder: Path, kinds: Iterable[str]) -> _Names:
    """What the marker of ``folder`` lists; one that is absent, damaged or of another kind lists nothing."""
    try:
        with open_plain(folder / MARKER, os.O_RDONLY) as file:
            marker = json.loads(file.read(_MARKER_BYTES))
        listed: _Names = {sort: frozenset(map(str, marker[sort])) for sort in _NOTHING}
        return listed if marker["kind"] in tuple(kinds) else _NOTHING
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return _NOTHING
