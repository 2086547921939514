"""The names of columns: known ones in any case, and others that people give to the same things."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence

from framegate.media.manifest.tables.cells import MAX_COLUMNS, as_text
from framegate.media.visible import quoted

_MISSPELT = 80.0
"""Likeness in percent from which a column is taken for a misspelt one: ``lable``, ``titel``."""


class ColumnNames:
    """The columns that a kind of table knows.

    >>> names = ColumnNames(("id", "video"), others={"video": ("file",)})
    >>> names.find(" Video "), names.find("Mood "), names.meant(["id", "File"])
    ('video', 'Mood', {'video': 'File'})

    Args:
        known: their names, in small letters.
        others: other names of known columns, in small letters, the surest first.
    """

    def __init__(self, known: Sequence[str], *, others: Mapping[str, Sequence[str]]) -> None:
        self.known = tuple(known)
        self.others = others
        self._found: dict[str, str] = {}

    def find(self, written: str) -> str:
        """Return the known column that ``written`` names, in any case and with space around it; else ``written``."""
        if written not in self._found:
            if len(self._found) > MAX_COLUMNS:  # keys of JSON may differ in each row
                self._found.clear()
            plain = plain_name(written)
            self._found[written] = plain if plain in self.known else written.strip()
        return self._found[written]

    def header(self, cells: Sequence[object]) -> list[str]:
        """Return the names of a header's cells.

        Raises:
            ValueError: there are too many, or a name comes twice.
        """
        if len(cells) > MAX_COLUMNS:
            raise ValueError(f"{len(cells)} columns, more than {MAX_COLUMNS}")
        written = [as_text(cell) for cell in cells]
        names = [self.find(name) for name in written]
        first: dict[str, str] = {}
        for name, cell in zip(names, written, strict=True):
            if name and name in first:
                spelt = "" if cell == first[name] else f" ({quoted(first[name])} and {quoted(cell)})"
                raise ValueError(f"column {quoted(name)} twice{spelt}: give each column a name of its own")
            first[name] = cell
        return names

    def count(self, cells: Sequence[str]) -> int:
        """Return how many of ``cells`` name a known column, by its own or another name."""
        others = {name for names in self.others.values() for name in names}
        return sum(plain in self.known or plain in others for plain in map(plain_name, cells[:MAX_COLUMNS]))

    def meant(self, columns: Collection[str]) -> dict[str, str]:
        """Return the known columns that are absent, each with the column that seems to be meant for it."""
        from rapidfuzz import fuzz  # only here: most tables have the columns they need

        plain = {plain_name(column): column for column in columns if column and column not in self.known}
        found: dict[str, str] = {}
        for known in self.known:
            if known in columns:
                continue
            other = next((name for name in self.others.get(known, ()) if name in plain), None)
            if other is None and len(known) > 3:
                other = next((name for name in plain if fuzz.ratio(known, name) >= _MISSPELT), None)
            if other is not None:
                found[known] = plain[other]
        return found

    def lacks(self, columns: Collection[str], needed: Sequence[str]) -> str | None:
        """Return what to do about ``needed`` columns that are absent; None if all are there."""
        missing = [name for name in needed if name not in columns]
        if not missing:
            return None
        meant = self.meant(columns)
        near = sorted(meant, key=lambda name: name not in missing)[:3]
        hints = [f"{quoted(meant[name], max_characters=30)}: call it {name!r}" for name in near]
        hints += [f"add a column {name!r}" for name in missing if name not in meant]
        if len(columns) == 1 and not near and not any(name in columns for name in self.known):
            hints.append("columns are separated by commas, semicolons or tabs")
        wanted = ",".join(self.known)
        return f"the header lacks {', '.join(missing)} (wanted: {wanted}; nearest: {', '.join(hints)})"


def plain_name(name: str) -> str:
    r"""Return a column's name in small letters, without marks, and without space, ``-`` or ``_`` around words.

    >>> plain_name("\ufeffFile Name "), plain_name("video-path")
    ('file_name', 'video_path')
    """
    text = unicodedata.normalize("NFKC", name[:200]).replace("\ufeff", "").casefold()
    return "_".join(text.replace("-", " ").replace("_", " ").split())
