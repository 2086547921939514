"""Cells of CSV files that people open in a spreadsheet."""

import unicodedata

_FORMULA = frozenset("=+-@")


def text_cell(text: str) -> str:
    """Return ``text`` so that no spreadsheet takes it for a formula: with an apostrophe before what looks like one.

    One begins with ``=``, ``+``, ``-`` or ``@``, full-width too and whatever white space stands before, or with a tab
    or a line break. For names and other texts; numbers are written as they are.
    """
    first = next(filter(_is_seen, text), "")
    looks_so = unicodedata.normalize("NFKC", first)[:1] in _FORMULA
    return f"'{text}" if looks_so or text.startswith(("\t", "\r", "\n")) else text


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ"
