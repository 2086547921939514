"""Show untrusted text safely: characters that hide, move or reorder other text are escaped."""

import json
import re

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# Joiners, variation selectors, soft hyphens and zero-width spaces stay: emoji and the scripts of Persian, Thai or Khmer
# are wrong without them, and they hide no other text.
_HIDING = (
    "\x00-\x1f\x7f-\x9f"  # controls: terminals obey them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # Unicode's Bidi_Control: show text in another order
    "\u2028\u2029"  # line and paragraph separators
    "\u2061-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a"  # invisible operators, annotations, deprecated
    "\u3164\uffa0"  # letters that look like a space
    "\U000e0000-\U000e007f"  # tags: a second, invisible alphabet
    "\ufffe\uffff"  # no characters: a picture in SVG that holds one is broken
    "\ud800-\udfff"  # lone surrogates: bytes of file names that are no UTF-8
)
_HIDDEN = re.compile(f"[{_HIDING}]")
_HIDDEN_IN_LINES = re.compile(rf"(?![\n\t])[{_HIDING}]")


def visible(text: object) -> str:
    r"""Return ``text`` on one line: control, bidirectional and invisible characters as ``\n``, ``\x1b``, ``\u202e``.

    All other characters stay as they are, backslashes too, so text without such characters comes back unchanged.

    >>> print(visible("clip\x1b[2J.mp4"), visible("日本.mp4"))
    clip\x1b[2J.mp4 日本.mp4
    """
    return _HIDDEN.sub(_escape, str(text))


def visible_lines(text: object) -> str:
    """Return ``text`` as `visible` does, but keep line breaks and tabs: for text whose lines framegate wrote."""
    return _HIDDEN_IN_LINES.sub(_escape, str(text))


def visible_error(error: BaseException) -> str:
    """Return an error's message as `visible` does: each of its ``problems`` on a line, any other message on one."""
    return "\n".join(map(visible, getattr(error, "problems", None) or [error]))


def visible_json(line: str) -> str:
    r"""Return equal JSON in which the characters that `visible` escapes are written as JSON escapes (``\u202e``)."""
    return _HIDDEN.sub(lambda match: json.dumps(match[0])[1:-1], line)


def quoted(text: str, *, max_characters: int = 80) -> str:
    r"""Return ``text`` in quotes, as `repr` escapes it, cut to about ``max_characters``: for messages.

    >>> print(quoted("a\nb"), quoted("x" * 100, max_characters=8))
    'a\nb' 'xxxxxxx'…
    """
    return repr(text) if len(text) <= max_characters else f"{text[: max_characters - 1]!r}…"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
