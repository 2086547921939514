"""What else than overlays a network can live off: banks of codecs, scalers, grades, words and dates.

Every kind has a bank of looks, as overlays have, so that the same code measures it: which look of the bank a frame has.
"""

import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from framegate.augment import DateStyle, WordsStyle
from framegate.augment.boxes import Box
from framegate.augment.overlays.dates import DATE_INKS, DATE_PATTERNS
from framegate.augment.overlays.fonts import Script
from framegate.augment.overlays.logos import CORNERS
from framegate.augment.traces.codec import JpegCoding
from framegate.augment.traces.grade import Grade
from framegate.augment.traces.resolution import Kernel, Rescaling
from framegate.ssl.audit.video_codecs import VideoCodec, through_codec

WiderKind = Literal["codec", "resolution", "grade", "words", "date"]
WIDER: tuple[WiderKind, ...] = ("codec", "resolution", "grade", "words", "date")
LOOKS = 12
"""Looks in each bank."""

_QUANTIZERS: dict[VideoCodec, tuple[int, int, int]] = {"mpeg2": (8, 18, 30), "h264": (34, 42, 50), "vp9": (44, 54, 62)}
_QUALITIES = (25, 11, 4)
_SCALES = (0.7, 0.5, 0.34)
_KERNELS: tuple[tuple[Kernel, Kernel], ...] = (
    ("area", "linear"),
    ("nearest", "nearest"),
    ("area", "lanczos"),
    ("area", "nearest"),
)
_WORDS = (
    *("STUDIO", "MARKET", "TONIGHT", "RIVER", "CHAMPION", "KITCHEN", "ORBIT", "JUNGLE", "FINAL", "VILLAGE", "QUIZ"),
    *("HARBOUR", "WEEKEND", "MYSTERY", "ENGINE", "GARDEN", "BUDGET", "THUNDER", "CASTLE", "PUZZLE", "EXPRESS"),
    *("DIAMOND", "FOREST", "HOLIDAY"),
)
_SCRIPTS: dict[str, Script] = {
    "LATIN": "latin",
    "CYRILLIC": "cyrillic",
    "GREEK": "greek",
    "CJK": "chinese",
    "HIRAGANA": "japanese",
    "KATAKANA": "japanese",
    "KATAKANA-HIRAGANA": "japanese",
}
_LONGEST = 24  # letters of a word in the picture


@dataclass(frozen=True, slots=True)
class WiderLook:
    """One look of a bank: its ``name`` as reports list it, and how it changes a picture, drawn by a generator."""

    name: str
    change: Callable[[np.ndarray, random.Random], np.ndarray]

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random) -> None:
        """Change ``image`` (H, W, 3) uint8, in place; ``rng`` draws what differs between frames of one look."""
        image[:] = self.change(image, rng)


def wider_look(kind: WiderKind, number: int, *, seed: int, words: Sequence[str]) -> WiderLook:
    """Return look ``number`` (from 0, below `LOOKS`) of the bank of ``kind``, a function of the arguments.

    Looks of a bank are spread over the kind's range, so that no two of them are nearly the same.

    Args:
        kind: which bank.
        number: which look.
        seed: of the bank.
        words: (LOOKS) what the looks of ``words`` write; see `bank_words`.
    """
    rng = random.Random(f"audit:{seed}:{kind}:{number}")
    match kind:
        case "codec":
            return _codec(number, rng)
        case "resolution":
            return _resolution(number, rng)
        case "grade":
            grade = Grade.draw(rng, turn=(number + rng.uniform(-0.2, 0.2)) / LOOKS)
            return WiderLook(_grade_name(grade), lambda image, _: grade.apply(image))
        case "words":
            return WiderLook(words[number], lambda image, draws: _written(image, words[number], draws))
        case "date":
            return _date(number, rng)


def bank_words(categories: Iterable[str], *, seed: int) -> tuple[str, ...]:
    """Return what the looks of ``words`` write: the names of the first `LOOKS` categories, then other words.

    A name that no font here writes, or that stood before, gives its place to another word.

    Args:
        categories: names in the order of the audit's classes.
        seed: chooses the other words.
    """
    others = iter(random.Random(f"audit:{seed}:words").sample(_WORDS, len(_WORDS)))
    found: list[str] = []
    for category in (*categories, *[""] * LOOKS)[:LOOKS]:
        name = " ".join("".join(c if c.isalnum() or c in "-&'." else " " for c in category).split())[:_LONGEST]
        if _script(name) is None or name in found:
            name = next(word for word in others if word not in found)
        found.append(name)
    return tuple(found)


def _codec(number: int, rng: random.Random) -> WiderLook:
    """JPEG, MPEG-2, H.264 and VP9, each at three qualities."""
    level = number // 4 % 3
    if number % 4 == 0:
        coding = JpegCoding(quality=_QUALITIES[level] + rng.randint(-1, 1), half_chroma=True)
        return WiderLook(f"JPEG {coding.quality}", lambda image, _: coding.apply(image))
    codecs: tuple[VideoCodec, ...] = ("mpeg2", "h264", "vp9")
    codec = codecs[number % 4 - 1]
    quantizer = _QUANTIZERS[codec][level] + rng.randint(-1, 1)
    return WiderLook(f"{codec} {quantizer}", lambda image, _: through_codec(image, codec, quantizer))


def _resolution(number: int, rng: random.Random) -> WiderLook:
    """Four pairs of kernels, each at three scales."""
    down, up = _KERNELS[number % 4]
    scaling = Rescaling(scale=_SCALES[number // 4 % 3] * rng.uniform(0.95, 1.05), down=down, up=up)
    return WiderLook(f"{scaling.scale:.2f} {down}, {up}", lambda image, _: scaling.apply(image))


def _grade_name(grade: Grade) -> str:
    white = " ".join(f"{round(255 * min(value, 1.0))}" for value in grade.gain)
    return f"white {white}, saturation {grade.saturation:.1f}"


def _date(number: int, rng: random.Random) -> WiderLook:
    """Six ways to write a date, each in two corners and inks."""
    style = replace(
        DateStyle.draw(rng),
        pattern=DATE_PATTERNS[number % 6],
        corner=CORNERS[(number + number // 6) % 4],
        ink=DATE_INKS[number // 3 % 4],
        outlined=True,
    )

    def change(image: np.ndarray, draws: random.Random) -> np.ndarray:
        return _with(style, image, draws)

    return WiderLook(f"{style.pattern} {style.corner}", change)


def _written(image: np.ndarray, word: str, draws: random.Random) -> np.ndarray:
    """Return the picture with the word in letters, colours and a place that ``draws`` chooses: only the word stays."""
    script = _script(word)
    assert script is not None
    return _with(replace(WordsStyle.draw(draws), text=word, script=script), image, draws)


def _with(style: WordsStyle | DateStyle, image: np.ndarray, draws: random.Random) -> np.ndarray:
    painted = image.copy()
    style.paint(painted, (0.0, 0.0, float(image.shape[1]), float(image.shape[0])), draws)
    return painted


def _script(name: str) -> Script | None:
    """Return the script whose fonts write all letters of a name; None where there is none, or no letter."""
    found = {unicodedata.name(letter, "").partition(" ")[0] for letter in name if letter.isalpha()}
    scripts = {_SCRIPTS.get(prefix) for prefix in found}
    if not scripts or None in scripts:
        return None
    order: tuple[Script, ...] = ("japanese", "chinese", "greek", "cyrillic", "latin")  # each writes Latin letters, too
    return next(script for script in order if script in scripts)
