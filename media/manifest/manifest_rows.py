"""Read the rows of a CSV or JSONL manifest as text, within bounds."""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framegate.media.errors import ProblemsError
from framegate.media.nearest import nearest
from framegate.media.visible import quoted, visible

COLUMNS = ("id", "video", "audio", "title", "description", "label", "programme", "split", "start", "end")
_MAX_BYTES = 512 * 1024**2
_MAX_IN_ROW, _MAX_IN_VALUE, _MAX_COLUMNS = 1_000_000, 100_000, 1000
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class ManifestError(ProblemsError):
    """Raised with everything that is wrong with a manifest; each problem reads ``clips.csv:17: what (nearest: …)``."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot be read; ``what`` is the reason."""

    what: str


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | RowProblem]]:
    """Yield the number of each row's first line, counted from 1, and its values by column, or what is wrong with it.

    A row has at most 1,000 columns and 1,000,000 characters, a value 100,000.

    Raises:
        ManifestError: the file as a whole cannot be read.
    """
    text = _read_text(path)
    for line, row in _jsonl_rows(path, text) if path.suffix.lower() == ".jsonl" else _csv_rows(path, text):
        if isinstance(row, str):
            yield line, RowProblem(row)
            continue
        try:
            yield line, _texts(row)
        except ValueError as problem:
            yield line, RowProblem(str(problem))


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ManifestError([f"{visible(path)}: more than {_MAX_BYTES // 1024**2} MB: give it in several files"])
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise ManifestError([f"{visible(path)}: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise ManifestError([f"{visible(path)}:{line}: not UTF-8 text (byte {byte:#04x})"]) from None


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, object] | str]]:
    lines = csv.reader(text.splitlines(keepends=True), strict=True)
    header: list[str] | None = None
    first_line = 1
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            raise ManifestError([f"{visible(path)}:{first_line}: not CSV: {error}"]) from None
        if cells is None:
            break
        line, first_line = first_line, lines.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            _check_header(path, line, header)
        elif len(cells) > len(header):
            yield line, f"{len(cells)} cells under a header of {len(header)}"
        else:
            yield line, dict(zip(header, cells, strict=False))
    if header is None:
        names = ", ".join(COLUMNS)
        raise ManifestError([f"{visible(path)}: empty; the first line names the columns: {names}"])


def _check_header(path: Path, line: int, header: list[str]) -> None:
    place = f"{visible(path)}:{line}"
    if len(header) > _MAX_COLUMNS:
        raise ManifestError([f"{place}: {len(header)} columns, more than {_MAX_COLUMNS}"])
    twice = sorted(name for name, times in Counter(header).items() if times > 1)
    problems = [f"{place}: column {quoted(name)} twice" for name in twice]
    if "id" not in header:
        like = nearest("id", [name.lower() for name in header])
        problems.append(f"{place}: no column 'id' (nearest: {quoted(like)})")
    if problems:
        raise ManifestError(problems)


def _jsonl_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, object] | str]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        if len(content) > _MAX_IN_ROW:
            yield line, f"a line of {len(content)} characters, more than {_MAX_IN_ROW}"
            continue
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            yield line, f"not JSON: {error.msg} at column {error.colno}"
        except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets in brackets
            deep = isinstance(error, RecursionError)
            yield line, "not a row: lists or objects nested too deep" if deep else "not a row: a number too long"
        else:
            yield line, row if isinstance(row, dict) else "not a JSON object"


def _texts(row: dict[str, object]) -> dict[str, str]:
    """Return the values of a row as text.

    Raises:
        ValueError: a value is not text, or too long.
    """
    if len(row) > _MAX_COLUMNS:
        raise ValueError(f"{len(row)} columns, more than {_MAX_COLUMNS}")
    texts: dict[str, str] = {}
    length = 0
    for name, value in row.items():
        try:
            text = texts[name] = _as_text(value)
        except ValueError as problem:
            raise ValueError(f"column {quoted(name)} holds {problem}") from None
        if len(name) + len(text) > _MAX_IN_VALUE:
            raise ValueError(f"column {quoted(name)} holds more than {_MAX_IN_VALUE} characters")
        if found := _NO_TEXT.search(name + text):
            # Surrogates: JSON can spell one alone, no file can hold it.
            what = "a NUL belongs to no text" if found[0] == "\0" else "half of a surrogate pair is no character"
            raise ValueError(f"column {quoted(name)} holds {quoted(text)}: {what}")
        length += len(text)
    if length > _MAX_IN_ROW:
        raise ValueError(f"a row of more than {_MAX_IN_ROW} characters")
    return texts


def _as_text(value: object) -> str:
    """Return the text of a cell or of a JSON value.

    Raises:
        ValueError: it is no text, no number and no list of these; the message says what it is.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):  # several labels, in JSONL
        if any(isinstance(each, list) for each in value):
            raise ValueError("a list of lists: write texts or numbers")
        return "|".join(map(_as_text, value))
    if isinstance(value, dict):
        raise ValueError("an object: write a text, a number or a list of these")
    if isinstance(value, float) and math.isinf(value):
        raise ValueError("a number beyond all bounds")
    return "" if value is None else str(value).strip()
