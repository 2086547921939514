"""Ids of clips: which are valid, the id that a path gets, and ids that are still free."""

import hashlib
import unicodedata
from collections.abc import Container
from functools import cache

from framegate.media.visible import visible

MAX_ID = 128
"""Characters of an id, at most."""

_SIGNS = "_.-"
_KINDS = ("L", "M")  # letters of any script, and the marks without which Hindi, Thai or Arabic lose their vowels
_NUMBERS = ("Nd", "Nl")  # digits of any script; the Chinese zero is a letter number
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f"  # letters and marks that nobody can see
_DIGITS_OF_HASH = 8


def is_valid_id(name: str) -> bool:
    """Tell whether ``name`` is 1 to 128 letters of any script, digits, ``_``, ``.`` or ``-``.

    >>> is_valid_id("新闻.2024-05.mp4"), is_valid_id("हिन्दी"), is_valid_id("two words"), is_valid_id("")
    (True, True, False, False)
    """
    return 0 < len(name) <= MAX_ID and all(map(_belongs, name))


def path_id(path: str) -> str:
    """Return the id of a file, from its path relative to its folder.

    The path in Unicode's normal form C, with ``.`` for ``/`` and ``_`` for each other character that an id may not
    have. Of more than 128 characters the first 119 stay, then ``-`` and 8 hex digits of the SHA-256 of the path in
    that form.

    >>> path_id("sport/cup final.mp4"), path_id("新闻/早间 1.mp4"), len(path_id("long/" * 100))
    ('sport.cup_final.mp4', '新闻.早间_1.mp4', 128)
    """
    path = unicodedata.normalize("NFC", path)
    name = "".join(c if _belongs(c) else "." if c == "/" else "_" for c in path)
    if len(name) <= MAX_ID:
        return name
    digest = hashlib.sha256(path.encode(errors="surrogatepass")).hexdigest()[:_DIGITS_OF_HASH]
    return f"{name[: MAX_ID - _DIGITS_OF_HASH - 1]}-{digest}"


def nearest_id(name: str) -> str:
    """Return the valid id most like ``name``, for messages: ``clip`` where nothing of it is left."""
    return path_id(name[:10_000].strip("/ ")).strip("_") or "clip"


class FreeIds:
    """Finds ids that are not ``used``, which may only grow: numbers that were taken once are not tried again."""

    def __init__(self, used: Container[str]) -> None:
        self._used = used
        self._next: dict[str, int] = {}

    def like(self, name: str) -> str:
        """Return ``name`` if it is free, else it with the first free number from 2 on at its end."""
        if name not in self._used:
            return name
        stem = name[:120]
        number = self._next.get(stem, 2)
        while f"{stem}-{number}" in self._used:
            number += 1
        self._next[stem] = number
        return f"{stem}-{number}"


@cache
def _belongs(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _SIGNS
    kind = unicodedata.category(character)
    seen = visible(character) == character and character not in _UNSEEN and not _is_variation_selector(character)
    return seen and (kind.startswith(_KINDS) or kind in _NUMBERS)


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
