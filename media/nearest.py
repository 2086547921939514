"""The valid name most like a wrong one: ``(nearest: …)`` in messages."""

from collections.abc import Iterable

from framegate.media.visible import quoted

_COMPARED = 128
"""Characters: names that differ only after so many are told apart by no reader."""

_QUESTIONS, _CHARACTERS = 200, 400_000_000
"""Limits of one `Nearest`: names that it looks for, and characters that it compares; together some seconds of work."""


class Nearest:
    """Finds the known name most like a wrong one, and remembers the answer.

    A file of strangers may hold any number of wrong names, and each costs a comparison with all known ones: after 200
    different wrong names, or fewer where the known ones are very many or long, no more are looked for.

    Args:
        known: the valid names.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = list(known)
        self._compared = [_shorten(name) for name in self._known]
        length = sum(map(len, self._compared))
        self._questions = min(_QUESTIONS, 1 + _CHARACTERS // max(1, length))
        self._answers: dict[str, str] = {}

    def find(self, wrong: str) -> str | None:
        """Return the known name most like ``wrong``; None without known names, or once too many were looked for."""
        short = _shorten(wrong)
        if short not in self._answers:
            if not self._known or len(self._answers) == self._questions:
                return None
            self._answers[short] = self._known[_most_like(short, self._compared)]
        return self._answers[short]

    def hint(self, wrong: str) -> str:
        """Return ``(nearest: 'name')``, for the end of a message about ``wrong``.

        >>> Nearest(["news", "sport"]).hint("sprot")
        "(nearest: 'sport')"
        """
        found = self.find(wrong)
        if found is not None:
            return f"(nearest: {quoted(found)})"
        return f"(nearest: not looked for after {len(self._answers)} wrong ones)" if self._known else "(none is known)"


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return the one of ``known`` that is most like ``wrong``.

    >>> nearest("tset", ["train", "val", "test"])
    'test'

    Raises:
        ValueError: ``known`` is empty.
    """
    found = Nearest(known).find(wrong)
    if found is None:
        raise ValueError(f"no name is known that {quoted(wrong)} could be like")
    return found


def _most_like(wrong: str, known: list[str]) -> int:
    from rapidfuzz import fuzz, process  # only here: most calls have nothing wrong in them

    return process.extractOne(wrong, known, scorer=fuzz.ratio)[2]


def _shorten(name: str) -> str:
    return name[:_COMPARED]
