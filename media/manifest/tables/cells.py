"""Turn the cells of a row into text, within bounds."""

import datetime
import decimal
import math
import re
from collections.abc import Iterable

from framegate.media.manifest.tables.table import Unreadable
from framegate.media.visible import quoted

MAX_IN_ROW, MAX_IN_VALUE, MAX_COLUMNS = 1_000_000, 100_000, 1000
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_MAX_WHOLE = 1e15  # floats above are not exact to the unit


def texts(cells: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return the cells of a row, (column, value) each, as text by column.

    A column without a name is left out where it is empty.

    Raises:
        ValueError: a value is not text, or too long, or a column comes twice; the message says which.
    """
    row: dict[str, str] = {}
    length = 0
    for name, value in cells:
        try:
            text = value if isinstance(value, str) and not value.isspace() else as_text(value)
        except ValueError as problem:
            raise ValueError(f"column {quoted(name)} holds {problem}") from None
        if len(name) + len(text) > MAX_IN_VALUE:
            raise ValueError(f"column {quoted(name)} holds more than {MAX_IN_VALUE} characters")
        if found := _NO_TEXT.search(name + text):
            # Surrogates: JSON can spell one alone, no file can hold it.
            what = "a NUL belongs to no text" if found[0] == "\0" else "half of a surrogate pair is no character"
            raise ValueError(f"column {quoted(name)} holds {quoted(text)}: {what}")
        if not name and not text:
            continue
        if name in row:
            where = f"column {quoted(name)} twice" if name else "text in two columns without a name"
            raise ValueError(f"{where}: give each column a name of its own")
        row[name] = text
        length += len(text)
    if length > MAX_IN_ROW:
        raise ValueError(f"a row of more than {MAX_IN_ROW} characters")
    return row


def as_text(value: object) -> str:
    """Return the text of one cell, ``""`` for an absent value.

    Text stays as it is, unless it is nothing but space. A number that is whole is written without ``.0``, as a
    spreadsheet shows it; a date as ``2024-05-01``, with its time where it has one; a list joined by ``|``.

    >>> as_text(1.0), as_text(2.5), as_text(float("nan")), as_text(["news", None, 7]), as_text(True)
    ('1', '2.5', '', 'news|7', 'true')

    Raises:
        ValueError: it is no such value; the message says what it is.
    """
    match value:
        case str():
            return "" if value.isspace() else value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() | decimal.Decimal():
            return _number(value)
        case datetime.datetime():
            midnight = value.time() == datetime.time()
            return value.date().isoformat() if midnight else value.isoformat(sep=" ")
        case datetime.date() | datetime.time() | datetime.timedelta():
            return str(value)
        case list() | tuple():  # several labels
            if any(isinstance(each, list | tuple) for each in value):
                raise ValueError("a list of lists: write texts or numbers")
            return "|".join(text for each in value if (text := as_text(each)))
        case Unreadable():
            raise ValueError(value.what)
        case bytes():
            raise ValueError("bytes: write a text, a number or a list of these")
        case _:
            raise ValueError("an object: write a text, a number or a list of these")


def _number(value: float | decimal.Decimal) -> str:
    if math.isnan(value):
        return ""
    if math.isinf(value):
        raise ValueError("a number beyond all bounds")
    return str(int(value)) if abs(float(value)) < _MAX_WHOLE and value == int(value) else str(value)
