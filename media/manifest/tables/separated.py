"""Cells of text that is separated by commas, semicolons or tabs."""

import csv
import io
import re
from collections.abc import Iterator

from framegate.media.manifest.tables.column_names import ColumnNames
from framegate.media.manifest.tables.grid import grid_table
from framegate.media.manifest.tables.table import RowProblem, Table, table_error
from framegate.media.visible import quoted

SEPARATORS = ",;\t"
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n])"?[,;\t]*[\r\n]*', re.IGNORECASE)
"""Excel's way to name the separator: a first line ``sep=;``."""


def separated_table(text: str, names: ColumnNames, *, place: str) -> Table:
    """Return the table of a CSV file's text.

    The header tells the separator: the one by which most known columns are found in it. A quoted cell may hold any
    character; all line breaks in it stay as they are.

    Raises:
        TableError: there is no header.
    """
    lines = io.StringIO(text, newline="")  # breaks lines at CR, LF and CRLF only, and leaves them as they are
    skipped = 0
    separator = None
    if told := _SEPARATOR_LINE.fullmatch(lines.readline()):
        separator, skipped = told[1], 1
        if separator not in SEPARATORS + "|":
            raise table_error(f"{place}:1", f"separated by {quoted(separator)}: take a comma, a semicolon or a tab")
    else:
        lines.seek(0)
    separator = separator or _find_separator(lines, names)
    rows = _cells(lines, separator, place=place, skipped=skipped)
    return grid_table(rows, names, place=place, decimal_comma=separator != ",")


def _find_separator(lines: io.StringIO, names: ColumnNames) -> str:
    start = lines.tell()
    while (line := lines.readline()) and not line.strip(f" \r\n{SEPARATORS}"):
        start = lines.tell()
    best, separator = (-1, 0), ","
    for candidate in SEPARATORS:
        lines.seek(start)
        try:
            header = next(csv.reader(lines, delimiter=candidate, skipinitialspace=True, strict=True), [])
        except csv.Error:
            continue
        if (found := (names.count(header), len(header))) > best:
            best, separator = found, candidate
    lines.seek(0)
    return separator


def _cells(
    lines: io.StringIO, separator: str, *, place: str, skipped: int
) -> Iterator[tuple[int, list[str] | RowProblem]]:
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    line = 1 + skipped
    while True:
        try:
            cells: list[str] | RowProblem | None = next(reader, None)
        except csv.Error as error:
            if "expected after" not in str(error):
                raise table_error(f"{place}:{line}", f"not CSV: {_advice(str(error))}") from None
            cells = RowProblem(f"not CSV: {_advice(str(error))}")  # the reader goes on with the next line
        if cells is None:
            return
        yield line, cells
        line = 1 + skipped + reader.line_num


def _advice(error: str) -> str:
    if "expected after" in error:
        return 'text follows a closing quote: write quotes inside a quoted cell twice ("")'
    if "field larger" in error:
        return f"a cell of more than {csv.field_size_limit()} characters: is a quote in this row never closed?"
    if "end of data" in error:
        return "a quote that is opened in this row is never closed"
    return error
