"""Guess in which encoding a text is that is not UTF-8: a hint for messages, never a way to read."""

from collections.abc import Callable

_SAMPLE = 16 * 1024
_LEAST = 0.4
"""Mean plausibility of a text's characters from which an encoding is named."""


def guess_encoding(content: bytes) -> str | None:
    r"""Return the encoding in which ``content`` reads like text; None if it does in none.

    >>> guess_encoding("id,title\\na,今日のニュース\\n".encode("shift_jis"))
    'shift_jis'
    >>> guess_encoding("id,title\\na,Küchenschlacht\\n".encode("cp1252"))
    'cp1252'
    """
    if (wide := _guess_utf16(content)) is not None:
        return wide
    sample = _strange_lines(content)
    scores = {name: score for name, judge in _JUDGES.items() if (score := _score(sample, name, judge)) is not None}
    best = max(scores, key=lambda name: scores[name], default=None)  # of equal ones the first, as they stand below
    return best if best is not None and scores[best] >= _LEAST else None


def _guess_utf16(content: bytes) -> str | None:
    """Return the byte order of text whose ASCII characters all have a NUL beside them."""
    head = content[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd < max(8, len(head) / 10):
        return None
    return "utf-16-le" if odd > 5 * even else "utf-16-be" if even > 5 * odd else None


def _strange_lines(content: bytes) -> bytes:
    """Return the first lines with characters beyond ASCII: whole ones, so that no character is cut."""
    found: list[bytes] = []
    size = 0
    for line in content[: 4 * 1024**2].split(b"\n")[:-1] or [content]:
        if not line.isascii():
            found.append(line)
            size += len(line)
            if size > _SAMPLE:
                break
    return b"\n".join(found) or content[-_SAMPLE:]


def _score(sample: bytes, encoding: str, judge: Callable[[str, str, str], float | None]) -> float | None:
    try:
        text = sample.decode(encoding)[:_SAMPLE]
    except UnicodeDecodeError:
        return None
    judged = [
        plausible
        for before, character, after in zip(f" {text}", text, f"{text[1:]} ", strict=False)
        if character > "\x7f" and (plausible := judge(character, before, after)) is not None
    ]
    if not judged:
        return None
    score = sum(judged) / len(judged)
    japanese = encoding in ("shift_jis", "euc_jp")
    return 0.7 * score if japanese and not any("\u3040" <= character <= "\u30ff" for character in text) else score


def _is_mark(character: str) -> bool:
    """Tell whether a character is punctuation that all of East Asia's encodings have: it tells nothing."""
    return "\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff60" or "\u2010" <= character <= "\u203b"


def _common(encoding: str, first: int, last: int, *, low: int = 0) -> Callable[[str, str, str], float | None]:
    """Return a judge for whom characters whose first byte lies in ``first``..``last`` are the common ones."""

    def judge(character: str, before: str, after: str) -> float | None:
        if _is_mark(character):
            return None
        if "\u3040" <= character <= "\u30ff":  # kana
            return 1.0 if encoding in ("shift_jis", "euc_jp") else 0.0
        if "\uff61" <= character <= "\uff9f" or "\ue000" <= character <= "\uf8ff":  # halfwidth kana, private use
            return 0.0
        code = character.encode(encoding)
        return 1.0 if len(code) > 1 and first <= code[0] <= last and code[1] >= low else 0.2

    return judge


def _is_latin(character: str, before: str, after: str) -> float:
    beside = before.isascii() and before.isalpha(), after.isascii() and after.isalpha()
    if character.isalpha():
        return 1.0 if any(beside) or not (before.isalpha() or after.isalpha()) else 0.3
    if character in "–—‘’“”„…€«»°©®·¿¡£§":
        return 0.8 if before.isascii() or after.isascii() else 0.2
    return 0.1


def _is_cyrillic(character: str, before: str, after: str) -> float:
    if any(beside.isascii() and beside.isalpha() for beside in (before, after)):
        return 0.0
    if "а" <= character <= "я" or character == "ё":
        return 1.0
    if "А" <= character <= "Я" or character == "Ё":
        return 0.0 if before.islower() else 0.9
    return 0.8 if character in "«»–—…№“”" else 0.0


_JUDGES: dict[str, Callable[[str, str, str], float | None]] = {
    "euc_kr": _common("euc_kr", 0xB0, 0xC8),
    "gbk": _common("gbk", 0xB0, 0xD7, low=0xA1),
    "big5": _common("big5", 0xA4, 0xC6),
    "shift_jis": _common("shift_jis", 0x88, 0x97),
    "euc_jp": _common("euc_jp", 0xB0, 0xCF),
    "cp1251": _is_cyrillic,
    "cp1252": _is_latin,
}
