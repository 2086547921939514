"""JSON files that anybody may have written: read within bounds of size and depth."""

import json
from pathlib import Path
from typing import Any

from framegate.media.errors import MediaError
from framegate.media.paths import stays_inside

MAX_JSON_BYTES = 1 << 20


def read_json_object(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read the JSON object that a small file holds.

    Raises:
        MediaError: it is missing or unreadable, no plain file, a link out of its folder, larger than ``max_bytes``,
            nested too deeply, or no JSON object.
    """
    if not stays_inside(path, path.parent):
        raise MediaError(f"{path} is a link out of its folder: put the file itself there")
    try:
        if not path.is_file():
            raise MediaError(f"{path}: no such file" if not path.exists() else f"{path} is no plain file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror or error}") from None
    if len(data) > max_bytes:
        raise MediaError(f"{path}: larger than the {max_bytes} bytes that such a file may have")
    try:
        value = json.loads(data)
    except RecursionError:
        raise MediaError(f"{path}: nested too deeply") from None
    except ValueError as error:  # of JSON, of its encoding, or of a number with too many digits
        raise MediaError(f"{path}: not JSON: {str(error)[:150]}") from None
    if not isinstance(value, dict):
        raise MediaError(f"{path}: not a JSON object")
    return value
