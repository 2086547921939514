"""Files that a verb writes where its user says: only files that framegate wrote are replaced.

Each kind of file carries a mark at its beginning by which framegate recognises it:

    JSON            ``"framegate": {"version": …}``, the first key
    HTML            ``<meta name="generator" content="framegate …">``
    PNG, JPEG       a text chunk ``Software`` or a comment, ``framegate …``
    CSV of classes  its header line
    JSONL           the keys of a prediction in its first line
"""

import json
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from framegate.media.errors import FramegateError
from framegate.media.files import file_aside, open_plain
from framegate.media.owned import MODELS, framegate_version, is_marked

CLASS_COLUMNS = ("id", "path", "train", "test", "precision", "recall", "f1")
"""What the header of a CSV of classes begins with."""

_HEAD_BYTES = 1 << 20  # a line of JSONL with an embedding is the longest mark
_PREDICTION_KEYS = {"id", "path", "probabilities", "top", "reliabilities", "present"}
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_HEADER = 33  # bytes of the signature and the first chunk, after which others may come


class OutputError(FramegateError, ValueError):
    """A file that may not be written there."""


def claim_output(path: Path | None, *, inputs: Sequence[Path] = ()) -> None:
    """Refuse ``path`` if writing it would lose something. Call it before the work, not after it.

    Args:
        path: a file; None: nothing is written.
        inputs: what the verb reads.

    Raises:
        OutputError: something is there that framegate did not write, or that is no ordinary file; or it is one of the
            ``inputs``; or it would be a new file in a frame store or a model folder.
    """
    if path is None:
        return
    if any(path.exists() and other.exists() and path.samefile(other) for other in inputs):
        raise OutputError(f"{path} is an input of this call: name another file")
    if os.path.lexists(path):
        if not _is_ours(path):
            raise OutputError(f"{path} exists, and framegate did not write it: name another file, or delete it")
        return
    for folder in (path.parent.resolve() / path.name).parents:
        if (kind := _kept_folder(folder)) is not None:
            raise OutputError(f"{path} would lie in {folder}, a {kind}: name a file outside")


@contextmanager
def output_file(path: Path, *, inputs: Sequence[Path] = ()) -> Iterator[BinaryIO]:
    """Open a file that appears under ``path`` when the block ends; `claim_output` is asked again before."""
    with file_aside(path) as file:
        yield file
        claim_output(path, inputs=inputs)


def write_output(path: Path, data: bytes) -> None:
    """Write a file, complete or not at all; see `claim_output`."""
    with output_file(path) as file:
        file.write(data)


def json_bytes(values: dict[str, Any]) -> bytes:
    """Return a result as JSON, with framegate's mark in it."""
    signed = {"framegate": {"version": framegate_version()}, **values}
    return (json.dumps(signed, indent=1, ensure_ascii=False) + "\n").encode()


def generator() -> str:
    """Return framegate's mark for pages and pictures."""
    return f"framegate {framegate_version()}"


def signed_picture(data: bytes) -> bytes:
    """Return a PNG or JPEG file with framegate's mark in it."""
    if data.startswith(_PNG):
        chunk = b"tEXtSoftware\0" + generator().encode()
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return data[:_PNG_HEADER] + chunk + data[_PNG_HEADER:]
    comment = generator().encode()
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:]


def _is_ours(path: Path) -> bool:
    """Return whether framegate wrote an existing file; an empty one may be replaced, too."""
    try:
        with open_plain(path, os.O_RDONLY) as file:
            head = file.read(_HEAD_BYTES) or b""
    except OSError:
        return False
    return not head or _is_our_picture(head) or _is_our_text(head)


def _is_our_picture(head: bytes) -> bool:
    if head.startswith(_PNG):
        return head[_PNG_HEADER + 4 :].startswith(b"tEXtSoftware\0framegate ")
    return head.startswith(_JPEG + b"\xff\xfe") and head[6:].startswith(b"framegate ")


def _is_our_text(head: bytes) -> bool:
    text = head.decode(errors="replace")
    if text.startswith("<!doctype html>"):
        return '<meta name="generator" content="framegate ' in text[:1000]
    if re.match(r'\{\s*"framegate":\s*\{\s*"version"', text) or text.startswith(f"{','.join(CLASS_COLUMNS)},"):
        return True
    try:
        first = json.loads(text.splitlines()[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and first.keys() >= _PREDICTION_KEYS


def _kept_folder(folder: Path) -> str | None:
    """What kind of folder this is, if one whose files belong together."""
    if any((folder / name).is_file() for name in ("videos.arrow", "extract.json")):
        return "frame store"
    if is_marked(folder, kinds=MODELS) or all((folder / n).is_file() for n in ("config.json", "model.safetensors")):
        return "model folder"
    return None
