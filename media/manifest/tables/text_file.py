"""The text of a file: UTF-8, what its mark says, or the encoding that the caller names."""

from encodings.aliases import aliases
from pathlib import Path

from framegate.media.errors import FramegateError
from framegate.media.manifest.tables.guess_encoding import guess_encoding
from framegate.media.manifest.tables.table import table_error
from framegate.media.nearest import nearest
from framegate.media.visible import quoted

_MARKS = (  # UTF-32's first: the mark of UTF-16 begins it
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_NO_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
"""Text encodings of Python that no file is written in, some of them slow on purpose."""

_NO_TEXTS = {"rot_13", "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "uu_codec", "zlib_codec"}


class EncodingError(FramegateError, ValueError):
    """Raised for a name that is no encoding of text; the message is one line."""


def check_encoding(name: str) -> str:
    """Return ``name`` if it is an encoding that files of text are written in.

    >>> check_encoding("Shift_JIS")
    'Shift_JIS'

    Raises:
        EncodingError: it is not; the message names the nearest.
    """
    plain = name.strip().lower().replace("-", "_")
    try:
        "a".encode(name)
        if plain not in _NO_FILES and aliases.get(plain, plain) not in _NO_FILES:
            return name
    except (LookupError, ValueError, UnicodeError):
        pass
    known = sorted(set(aliases.values()) - _NO_FILES - _NO_TEXTS)
    raise EncodingError(f"{quoted(name)} is no encoding of text (nearest: {nearest(plain[:40], known)!r})")


def decode(content: bytes, *, place: str, encoding: str | None) -> str:
    """Return the text of a file's bytes, without a mark at its beginning.

    Args:
        content: the whole file.
        place: the file's name, for messages.
        encoding: how text is read that has no mark and is not UTF-8 beyond ASCII; None: it is refused.

    Raises:
        EncodingError: ``encoding`` is none.
        TableError: the bytes are not text in this encoding; the message says which they look like.
    """
    name = check_encoding(encoding) if encoding else "utf-8"
    for mark, marked in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], marked, place=place)
    if encoding and not content.isascii():
        try:
            return content.decode("utf-8")  # what is valid is nothing else: other encodings are not, but by accident
        except UnicodeDecodeError:
            pass
    text = _strict(content, name, place=place)
    if "\0" in text[:10_000] and (like := guess_encoding(content)):
        raise table_error(place, f"not UTF-8 text; it looks like {_advice(like)}")
    return text


def _strict(content: bytes, encoding: str, *, place: str) -> str:
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"{place}:{line}"
        byte = f"byte {content[error.start]:#04x}" if error.start < len(content) else "its end"
        if encoding != "utf-8":
            raise table_error(where, f"not {encoding} text ({byte}): convert it to UTF-8") from None
        if error.reason == "unexpected end of data" or _is_nearly_utf8(content):
            what = f"not UTF-8 text ({byte}), though the rest is: the file is damaged or cut off: save it again"
            raise table_error(where, what) from None
        like = guess_encoding(content)
        what = f"; it looks like {_advice(like)}" if like else ": convert it to UTF-8, or name its --encoding"
        raise table_error(where, f"not UTF-8 text ({byte}){what}") from None
    except UnicodeError as error:  # some codecs know no better
        raise table_error(place, f"not {encoding} text ({str(error)[:60]}): convert it to UTF-8") from None


def _is_nearly_utf8(content: bytes) -> bool:
    text = content[: 1024**2].decode("utf-8", errors="replace")
    strange = sum(character > "\x7f" for character in text)
    return strange > 4 * text.count("\ufffd")


_SPOKEN = {
    "shift_jis": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "gbk": "GBK",
    "big5": "Big5",
    "euc_kr": "EUC-KR",
    "cp1251": "Windows-1251",
    "cp1252": "Windows-1252",
    "utf-16-le": "UTF-16 without a mark",
    "utf-16-be": "UTF-16 without a mark",
}


def _advice(encoding: str) -> str:
    return f"{_SPOKEN[encoding]}: convert it to UTF-8, or give --encoding {encoding}"


def read_bytes(path: Path, *, place: str, max_bytes: int, too_large: str) -> bytes:
    """Return a file's bytes.

    Raises:
        TableError: it cannot be opened, or has more than ``max_bytes``.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise table_error(place, error.strerror or str(error)) from None
    if len(content) > max_bytes:
        raise table_error(place, too_large)
    return content
