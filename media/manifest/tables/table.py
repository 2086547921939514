"""What a table is once it is read: rows of text by column, each with its place in the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from framegate.media.errors import ProblemsError
from framegate.media.visible import short_line, visible


class TableError(ProblemsError):
    """Raised when a table as a whole cannot be read; each problem is one line of at most 280 characters."""


def table_error(place: str, what: str) -> TableError:
    """Return the error that says ``what`` is wrong at ``place``: a file's name, and a line where one is known."""
    return TableError(short_line(visible(f"{place}: {what}")))


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot be read; ``what`` is the reason."""

    what: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell that holds no value, such as ``#REF!``; ``what`` is the reason."""

    what: str


Rows = Iterator[tuple[int, dict[str, str] | RowProblem]]


@dataclass(slots=True, kw_only=True)
class Table:
    """A table that is read while its rows are iterated.

    Attributes:
        rows: the place of each row, counted from 1 (its first line; in a sheet or in Parquet its row), and its values
            by column, as they stand in the file, or what is wrong with it. A value that is absent is ``""``.
        columns: names of the columns: those of a header at once, in JSON those met so far.
        decimal_comma: whether numbers in text may be written ``12,5``: the separator is no comma.
    """

    rows: Rows
    columns: dict[str, None] = field(default_factory=dict)
    decimal_comma: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLimits:
    """Limits of one table.

    Attributes:
        max_bytes: of the file, and of what is unpacked from it.
        max_rows: rows, and lines of a text file.
        advice: what to do with a file that is larger.
    """

    max_bytes: int = 512 * 1024**2
    max_rows: int = 20_000_000
    advice: str = ""

    @property
    def too_large(self) -> str:
        """Say that a file is over ``max_bytes``."""
        return f"more than {self.max_bytes // 1024**2} MB" + (f": {self.advice}" if self.advice else "")
