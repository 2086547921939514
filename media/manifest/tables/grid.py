"""Rows under a header: what the cells of CSV files and of sheets have in common."""

from collections.abc import Iterable, Sequence

from framegate.media.manifest.tables.cells import texts
from framegate.media.manifest.tables.column_names import ColumnNames
from framegate.media.manifest.tables.table import RowProblem, Rows, Table, table_error

Cells = Iterable[tuple[int, Sequence[object] | RowProblem]]


def grid_table(cells: Cells, names: ColumnNames, *, place: str, decimal_comma: bool = False) -> Table:
    """Return the table of rows whose first one that is not empty is the header; further empty rows are skipped.

    Raises:
        TableError: there is no header, or a name stands in it twice.
    """
    rows = iter(cells)
    for line, header in rows:
        if isinstance(header, RowProblem):
            raise table_error(f"{place}:{line}", header.what)
        if _filled(header):
            break
    else:
        raise table_error(place, f"empty; the first line names the columns: {', '.join(names.known)}")
    try:
        columns = names.header(header)
    except ValueError as problem:
        raise table_error(f"{place}:{line}", str(problem)) from None
    named = dict.fromkeys(name for name in columns if name)
    return Table(rows=_rows(rows, columns), columns=named, decimal_comma=decimal_comma)


def _rows(rows: Cells, columns: list[str]) -> Rows:
    for line, cells in rows:
        if isinstance(cells, RowProblem):
            yield line, cells
            continue
        filled = _filled(cells)
        if filled > len(columns):
            quotes = "a cell that holds the separator stands in quotes"
            yield line, RowProblem(f"{filled} cells under a header of {len(columns)} ({quotes})")
        elif filled:
            try:
                yield line, texts(zip(columns, cells, strict=False))
            except ValueError as problem:
                yield line, RowProblem(str(problem))


def _filled(cells: Sequence[object]) -> int:
    """Return the number of cells up to the last one that is not empty."""
    count = len(cells)
    while count and ((cell := cells[count - 1]) is None or (isinstance(cell, str) and not cell.strip())):
        count -= 1
    return count
