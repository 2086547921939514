"""Read a table, whatever kind of file it is in."""

from pathlib import Path

from framegate.media.manifest.tables.column_names import ColumnNames
from framegate.media.manifest.tables.json_rows import json_table
from framegate.media.manifest.tables.parquet_rows import parquet_table
from framegate.media.manifest.tables.separated import separated_table
from framegate.media.manifest.tables.table import Table, TableLimits, table_error
from framegate.media.manifest.tables.text_file import decode, read_bytes
from framegate.media.manifest.tables.workbook import workbook_table

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
TABLE_SUFFIXES = (".csv", ".tsv", *JSON_SUFFIXES, ".xlsx", ".xlsm", ".parquet")
"""What names of tables end with, in small letters."""

_ZIP, _PARQUET, _OLE = b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0"
_OTHERS = (".xls", ".ods", ".numbers", ".feather", ".sqlite", ".gz", ".zip")


def read_table(
    path: Path, names: ColumnNames, *, place: str, encoding: str | None = None, limits: TableLimits | None = None
) -> Table:
    """Open a table: CSV, JSON lines or array, an Excel workbook (.xlsx) or Parquet.

    Workbooks and Parquet are known by their first bytes, JSON by the file's name; all else is CSV.

    Args:
        path: the file.
        names: the columns that it may have.
        place: what messages call the file.
        encoding: how text is read that has no mark and is no UTF-8.
        limits: largest size.

    Raises:
        EncodingError: ``encoding`` is none.
        TableError: the file as a whole cannot be read. The same may be raised while the rows are iterated.
    """
    limits = limits or TableLimits()
    content = read_bytes(path, place=place, max_bytes=limits.max_bytes, too_large=limits.too_large)
    suffix = path.suffix.lower()
    if content.startswith(_ZIP):
        return workbook_table(path, names, place=place, limits=limits)
    if content.startswith(_PARQUET):
        return parquet_table(path, names, place=place, limits=limits)
    if suffix in (".xlsx", ".xlsm", ".parquet", *_OTHERS) or content.startswith(_OLE):
        what = "a workbook with a password, or of an old kind" if content.startswith(_OLE) else "not a table we read"
        raise table_error(place, f"{what}: save it as .xlsx without a password, .csv, .jsonl or .parquet")
    if (lines := content.count(b"\n")) > limits.max_rows + 1:
        raise table_error(place, f"{lines} lines, more than {limits.max_rows}")
    text = decode(content, place=place, encoding=encoding)
    del content
    return json_table(text, names) if suffix in JSON_SUFFIXES else separated_table(text, names, place=place)
