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
"""The kinds of folders that exports write and replace; also the names of the model folders in a run."""
_MARKER_BYTES = 16 << 20
_LOG = logging.getLogger(__name__)


class NotOursError(FramegateError, ValueError):
    """Raised where framegate would replace a file or folder that it did not write."""


_Sort = Literal["files", "links", "folders"]
_Names = dict[_Sort, frozenset[str]]
_NOTHING: _Names = {"files": frozenset(), "links": frozenset(), "folders": frozenset()}


@cache
def framegate_version() -> str:
    """Return the installed version of framegate, ``"unknown"`` for a checkout that is not installed."""
    try:
        return version("framegate")
    except PackageNotFoundError:  # from a checkout that is not installed
        return "unknown"


def refuse_foreign(folder: Path, *, kinds: Iterable[str], writer: str = "export") -> None:
    """Raise unless ``folder`` may be replaced: it is absent, empty, or holds only files that framegate wrote.

    Args:
        folder: the folder that would be replaced.
        kinds: the kinds of folders that may be replaced.
        writer: the name of what writes such folders, for the message.

    Raises:
        NotOursError: ``folder`` is a file or a link, or holds something that its marker does not list.
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
    """Return the relative name of the first entry below ``folder`` that its marker does not list, or None.

    Without a marker of one of the ``kinds`` nothing is listed.
    """
    listed = _read(folder, kinds)
    for name, sort in _entries(folder):
        if name not in listed[sort] and (name, sort) != (MARKER, "files"):
            return name
    return None


def is_marked(folder: Path, *, kinds: Iterable[str]) -> bool:
    """Tell whether ``folder`` has a marker of one of the ``kinds``."""
    return _read(folder, kinds) is not _NOTHING


def mark(folder: Path, *, kind: str, among: Iterable[str] | None = None) -> None:
    """Write the marker of a folder, which lists everything that is in it now.

    Args:
        folder: an existing folder.
        kind: of the folder: ``backbone``, ``classifier``, ``demo``.
        among: list only these entries of the folder, and what is in them; None: all of it.
    """
    names: dict[_Sort, list[str]] = {sort: [] for sort in _NOTHING}
    for name, sort in sorted(_entries(folder)):
        if name != MARKER and (among is None or name.split("/")[0] in among):
            names[sort].append(name)
    write_text(folder / MARKER, json.dumps({"framegate": framegate_version(), "kind": kind, **names}, indent=1) + "\n")


def put_in_place(aside: Path, folder: Path, *, kind: str, kinds: Iterable[str]) -> None:
    """Mark a finished folder and rename it to ``folder``; delete the listed files of an older one.

    Raises:
        NotOursError: ``folder`` may not be replaced (see `refuse_foreign`); then nothing has changed.
    """
    mark(aside, kind=kind)
    refuse_foreign(folder, kinds=kinds)
    old = replace_folder(aside, folder)
    if old is not None and not delete_listed(old, kinds=kinds):
        _LOG.warning("%s: what appeared in it meanwhile is kept in %s", folder, old)


def delete_listed(folder: Path, *, kinds: Iterable[str]) -> bool:
    """Delete what the marker of ``folder`` lists, then the marker, and all folders that are empty afterwards.

    Returns:
        True if ``folder`` itself is gone; False if it holds something that is not listed, which stays.
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
    """Yield the relative name and the sort of everything below ``folder``; links are not followed."""
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
    """Return what the marker of ``folder`` lists; nothing if it is absent, damaged or of another kind."""
    try:
        with open_plain(folder / MARKER, os.O_RDONLY) as file:
            marker = json.loads(file.read(_MARKER_BYTES))
        listed: _Names = {sort: frozenset(map(str, marker[sort])) for sort in _NOTHING}
        return listed if marker["kind"] in tuple(kinds) else _NOTHING
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return _NOTHING
