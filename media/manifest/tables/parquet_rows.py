"""Rows of a Parquet file."""

from pathlib import Path

from framegate.media.manifest.tables.cells import texts
from framegate.media.manifest.tables.column_names import ColumnNames
from framegate.media.manifest.tables.table import RowProblem, Rows, Table, TableLimits, table_error

_INDEX = "__index_level_"
"""How pandas calls the index of a table that it writes."""


def parquet_table(path: Path, names: ColumnNames, *, place: str, limits: TableLimits) -> Table:
    """Return the table of a Parquet file; rows are counted from 1.

    Raises:
        TableError: it is no such file, or larger than ``limits``.
    """
    import pyarrow as pa
    from pyarrow import parquet

    def rows() -> Rows:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=1000, use_threads=False):
                values = [batch.column(index).to_pylist() for index in kept]
                for cells in zip(*values, strict=True):
                    number += 1
                    try:
                        yield number, texts(zip(columns, cells, strict=True))
                    except ValueError as problem:
                        yield number, RowProblem(str(problem))
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise table_error(
                f"{place}:{number + 1}", f"damaged: {str(error).strip()[:100]}: write the file again"
            ) from None

    try:
        file = parquet.ParquetFile(path)
        about = file.metadata
        size = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
        written = file.schema_arrow.names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise table_error(place, f"not a whole Parquet file ({str(error).strip()[:100]}): write it again") from None
    if size > limits.max_bytes:
        raise table_error(place, limits.too_large)
    if about.num_rows > limits.max_rows:
        raise table_error(place, f"{about.num_rows} rows, more than {limits.max_rows}")
    kept = [index for index, name in enumerate(written) if not name.startswith(_INDEX)]
    try:
        columns = names.header([written[index] for index in kept])
    except ValueError as problem:
        raise table_error(place, str(problem)) from None
    return Table(rows=rows(), columns=dict.fromkeys(columns))
