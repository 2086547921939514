"""JSON that somebody else wrote, read within bounds: a small file whose values lie a few levels deep."""

import json
from pathlib import Path
from typing import Any, NoReturn

MAX_BYTES = 1 << 20
"""Size of the largest configuration file; the longest that the hubs' libraries write have some 100 kB."""

MAX_DEPTH = 32
"""How deep lists and objects may lie in each other."""


def read_json(path: Path) -> Any:
    """Return what the JSON file holds.

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


def _children(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
