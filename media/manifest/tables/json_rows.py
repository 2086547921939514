"""Rows of JSON: an object a line, or one array of objects."""

import io
import json
import re
from collections.abc import Iterator
from json.decoder import JSONDecodeError, JSONDecoder

from framegate.media.manifest.tables.cells import MAX_COLUMNS, MAX_IN_ROW, texts
from framegate.media.manifest.tables.column_names import ColumnNames
from framegate.media.manifest.tables.table import RowProblem, Rows, Table

_EXAMPLE = '{"id": "a", "video": "a.mp4"}'
_GAP = re.compile(r"[ \t\r\n]*")


def json_table(text: str, names: ColumnNames) -> Table:
    """Return the table of a file of JSON lines, or of one JSON array; what it is, its first character tells."""
    table = Table(rows=iter(()))
    objects = _array(text) if text.lstrip()[:1] == "[" else _lines(text)
    table.rows = _rows(objects, names, table.columns)
    return table


def _rows(objects: Iterator[tuple[int, object]], names: ColumnNames, columns: dict[str, None]) -> Rows:
    for line, row in objects:
        if isinstance(row, RowProblem):
            yield line, row
        elif not isinstance(row, dict):
            yield line, RowProblem(f"not a JSON object: write one such as {_EXAMPLE} for each row")
        elif len(row) > MAX_COLUMNS:
            yield line, RowProblem(f"{len(row)} columns, more than {MAX_COLUMNS}")
        else:
            named = [(names.find(key), value) for key, value in row.items()]
            if len(columns) <= MAX_COLUMNS:
                columns.update((name, None) for name, _ in named if len(name) < MAX_COLUMNS)
            try:
                yield line, texts(named)
            except ValueError as problem:
                yield line, RowProblem(str(problem))


def _lines(text: str) -> Iterator[tuple[int, object]]:
    for line, content in enumerate(io.StringIO(text, newline=""), start=1):
        if not content.strip():
            continue
        if (length := len(content.rstrip("\r\n"))) > MAX_IN_ROW:
            yield line, RowProblem(f"a line of {length} characters, more than {MAX_IN_ROW}")
            continue
        try:
            yield line, json.loads(content)
        except (ValueError, RecursionError) as error:
            yield line, RowProblem(_wrong(error))


def _array(text: str) -> Iterator[tuple[int, object]]:
    """Yield the elements of an array, one at a time, with the line on which each begins."""
    decoder = JSONDecoder()
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        at = _after_gap(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] == "]":
            if text[at + 1 :].strip():
                yield line, RowProblem("not JSON: text after the array's end")
            return
        try:
            row, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield line, RowProblem(_wrong(error))
            return
        yield line, RowProblem(f"a row of more than {MAX_IN_ROW} characters") if end - at > MAX_IN_ROW else row
        at = _after_gap(text, end)
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "]":
            yield line, RowProblem("not JSON: no comma or ] after this row: is the file whole?")
            return


def _after_gap(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _wrong(error: Exception) -> str:
    if isinstance(error, JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}: write an object such as {_EXAMPLE} for each row"
    if isinstance(error, RecursionError):
        return "not a row: lists or objects nested too deep"
    return "not a row: a number too long"  # of thousands of digits
