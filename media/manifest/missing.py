"""Say why a clip's file is not there, and which file may be meant."""

import os
import stat
import urllib.parse
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from framegate.media.nearest import Nearest
from framegate.media.visible import quoted, visible

_MAX_ENTRIES, _LONGEST_NAME = 100_000, 256
_LIKE = 75.0
"""Likeness in percent from which a name is taken for a misspelt one."""


def missing_files(paths: Iterable[Path | None]) -> str:
    """Return which of a clip's ``paths`` are missing, and the nearest file of each; ``""`` if all are there.

    Backslashes of Windows and ``%20`` of addresses are understood; else the nearest is the name in the same folder that
    is most like the missing one. Of a clip's only file that has no near name nothing is said: that it is missing is
    known.
    """
    named = [path for path in paths if path is not None]
    texts = [text for path in named if (text := _missing(path)) and (len(named) > 1 or text.endswith(")"))]
    return "; ".join(texts)


def unusable(path: Path) -> str | None:
    """Return why a clip's file or folder cannot be opened; None if it can. Reads nothing of it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return _missing(path) if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return "not a plain file"
    return "an empty file" if stat.S_ISREG(status.st_mode) and not status.st_size else None


def _missing(path: Path) -> str:
    if os.path.lexists(path):
        return ""
    text = f"{quoted(visible(path.name), max_characters=60)} is missing"
    nearest = _other_spelling(path) or _similar_name(path)
    return f"{text} (nearest: {quoted(nearest, max_characters=60)})" if nearest else text


def _other_spelling(path: Path) -> str | None:
    """Return the part of a Windows path, or of an address, that is a file beside ``path``."""
    for other in (path.name.replace("\\", "/"), urllib.parse.unquote(path.name), path.name.partition("?")[0]):
        parts = [part for part in other.split("/") if part not in ("", ".", "..")]
        for start in range(len(parts)):
            spelling = "/".join(parts[start:])
            if spelling != path.name and os.path.lexists(path.parent / spelling):
                return spelling
    return None


def _similar_name(path: Path) -> str | None:
    from rapidfuzz import fuzz  # only here: most files are where they should be

    names = _names_in(path.parent) if len(path.name) < _LONGEST_NAME else None
    found = names.find(path.name) if names is not None else None
    return found if found is not None and fuzz.ratio(found, path.name) >= _LIKE else None


@lru_cache(maxsize=4)
def _names_in(folder: Path) -> Nearest | None:
    """Return the names in a folder; None if it cannot be read, or holds none or very many."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MAX_ENTRIES + 1), strict=False)]
    except OSError:
        return None
    return Nearest(sorted(names)) if 0 < len(names) <= _MAX_ENTRIES else None
