"""What a text that is no number of seconds may mean: for messages."""

import math
import re

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d{1,9})?)")
_NUMBER = re.compile(r"\d{1,3}(?:[.,' ]?\d{3})*(?:[.,]\d{1,9})?|\d{1,15}(?:[.,]\d{1,9})?")


def nearest_seconds(text: str) -> str:
    """Return how ``text`` would be written in seconds; an example where it tells no number.

    >>> nearest_seconds("1:02:03.5"), nearest_seconds("12,5"), nearest_seconds("1.234,5"), nearest_seconds("NaN")
    ('3723.5', '12.5', '1234.5', 'an empty cell')
    >>> nearest_seconds("90 s"), nearest_seconds("soon")
    ('90', '12.5')
    """
    plain = text[:40].strip().lower()
    if plain in ("nan", "null", "none", "n/a", "na", "-", "?", "nat", "#n/a"):
        return "an empty cell"
    if clock := _CLOCK.fullmatch(plain):
        hours, minutes, seconds = clock.groups()
        return f"{int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(',', '.')):g}"
    number = _NUMBER.match(plain)
    if number is None:
        return "12.5"
    whole, mark, part = re.sub("[' ]", "", number[0]).replace(",", ".").rpartition(".")
    value = float(f"{whole.replace('.', '')}.{part}" if mark else part)
    return f"{value:.15g}" if math.isfinite(value) else "12.5"
