"""Read JSON files from untrusted sources: only small ones, with few levels of nesting."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from framegate.media.errors import MediaError
from framegate.media.manifest.paths import stays_inside

MAX_BYTES = 1 << 20
"""Size of the largest such file; the longest configuration that the hubs' libraries write has some 100 kB."""

MAX_DEPTH = 32
"""Levels of lists and objects within each other that are read."""


def read_json(path: Path) -> Any:
    """Return the value that a JSON file holds.

    Raises:
        ValueError: it is larger than `MAX_BYTES`, nested deeper than `MAX_DEPTH`, or no JSON, which knows neither NaN
            nor infinity.
        OSError: it is missing or unreadable.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    try:
        found = json.loads(content, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    level, depth = [found], 0
    while level := [inner for outer in level for inner in _children(outer)]:
        if (depth := depth + 1) > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return found


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file of a store or a model folder holds.

    Raises:
        MediaError: it cannot be read, as for `read_json`; it is no plain file, a link out of its folder, or no object.
    """
    if not stays_inside(path, path.parent):
        raise MediaError(f"{path} is a link out of its folder: put the file itself there")
    if not path.is_file():
        raise MediaError(f"{path} is no plain file" if path.exists() else f"{path}: no such file")
    try:
        found = read_json(path)
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise MediaError(f"{path}: not JSON that can be read: {str(error)[:150]}") from None
    if not isinstance(found, dict):
        raise MediaError(f"{path}: not a JSON object")
    return found


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
