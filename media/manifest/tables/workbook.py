"""The cells of a workbook's first sheet (.xlsx), read with its formulas' last values."""

import itertools
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from framegate.media.manifest.tables.column_names import ColumnNames
from framegate.media.manifest.tables.grid import grid_table
from framegate.media.manifest.tables.table import Table, TableError, TableLimits, Unreadable, table_error
from framegate.media.visible import quoted

_LOG = logging.getLogger(__name__)
_MAX_ROWS, _MAX_CELLS, _MAX_PARTS = 1_048_576, 20_000_000, 10_000
_CHUNK = 1024**2
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")


def workbook_table(path: Path, names: ColumnNames, *, place: str, limits: TableLimits) -> Table:
    """Return the table of a workbook's first sheet.

    Raises:
        TableError: it is no such file, larger than ``limits``, or means harm.
    """
    formulas = _check_parts(path, place, limits)
    return grid_table(_cells(path, place=place, formulas=formulas), names, place=place)


def _check_parts(path: Path, place: str, limits: TableLimits) -> bool:
    """Refuse a zip or an entity bomb; tell whether a sheet holds formulas.

    The sizes that an archive states bound what `zipfile` unpacks. A workbook's XML declares no entities: who does,
    means to fill the memory with them.
    """
    formulas = False
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > limits.max_bytes:
                raise table_error(place, f"unpacked, {limits.too_large}")
            for part in parts:
                if not part.filename.lower().endswith((".xml", ".rels")):
                    continue
                with archive.open(part) as file:
                    tail = b""
                    while chunk := file.read(_CHUNK):
                        if b"\0" in chunk or _DECLARATION.search(tail + chunk):
                            raise table_error(place, f"its part {quoted(part.filename)} is no plain XML: save it anew")
                        formulas = formulas or _FORMULA.search(tail + chunk) is not None
                        tail = chunk[-16:]
    except TableError:
        raise
    except Exception as error:  # zipfile raises as many kinds as there are ways to be damaged
        raise _damaged(place, error) from None
    return formulas


def _cells(path: Path, *, place: str, formulas: bool) -> Iterator[tuple[int, Sequence[object]]]:
    """Yield the number and the cells of each row; openpyxl's own errors are as many as there are ways to be damaged."""
    filled = 0
    sheets: list[Any] = []
    try:
        sheets.append(_first_sheet(path, values=True, place=place))
        if formulas:
            sheets.append(_first_sheet(path, values=False, place=place))
        formula_rows = _rows(sheets[1]) if formulas else itertools.repeat(())
        for number, (cells, written) in enumerate(zip(_rows(sheets[0]), formula_rows, strict=False), start=1):
            filled += len(cells)
            if number > _MAX_ROWS or filled > _MAX_CELLS:
                raise table_error(place, f"more than {_MAX_ROWS} rows or {_MAX_CELLS} cells: save it as CSV")
            yield number, [_value(cell, formula) for cell, formula in itertools.zip_longest(cells, written)]
    except TableError:
        raise
    except Exception as error:
        raise _damaged(place, error) from None
    finally:
        for sheet in sheets:
            sheet.parent.close()


def _first_sheet(path: Path, *, values: bool, place: str) -> Any:
    """Open the first sheet, with its formulas' last ``values`` or with the formulas themselves."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features of spreadsheets that hold no data
        book = load_workbook(path.open("rb"), read_only=True, data_only=values, keep_links=False)
    if not book.worksheets:
        raise table_error(place, "a workbook without a sheet of cells: save the table as CSV")
    sheet = book.worksheets[0]
    if values and len(book.worksheets) > 1:
        _LOG.warning("%s: only its first sheet %s of %d is read", place, quoted(sheet.title), len(book.worksheets))
    sheet.reset_dimensions()  # what a file states of its size is often wrong, and then cells are lost
    return sheet


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    rows = sheet.iter_rows()
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            row = next(rows, None)
        if row is None:
            return
        yield row


def _value(cell: Any, formula: Any) -> object:
    from openpyxl.utils.escape import unescape

    if cell is None:
        return None
    if cell.data_type == "e":
        return Unreadable(f"the error {cell.value}: mend the cell")
    if cell.value is None and formula is not None and formula.data_type == "f":
        return Unreadable("a formula without its value: open and save the workbook in a spreadsheet program")
    return unescape(cell.value) if isinstance(cell.value, str) and "_x" in cell.value else cell.value


def _damaged(place: str, error: Exception) -> TableError:
    what = f"{type(error).__name__}: {str(error)[:80]}"
    return table_error(place, f"not a whole .xlsx workbook ({what}): save it again, without a password, or as CSV")
