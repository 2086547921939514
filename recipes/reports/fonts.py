"""Scripts of the world: which language a name's letters point to, and which fonts draw them."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """A script that many users' names are written in.

    Attributes:
        name: as people call it.
        language: what a page declares for its text (BCP 47): the language where the script has one that most of its
            text is in, otherwise ``und-`` and the script.
        letters: how the Unicode names of its characters begin.
        sample: a character that only a font for this script has.
        families: fonts that draw it, on Linux, macOS and Windows.
    """

    name: str
    language: str
    letters: tuple[str, ...]
    sample: str
    families: tuple[str, ...]


SCRIPTS = (
    Script(
        "Japanese",
        "ja",
        ("HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA"),
        "あ",
        ("Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic", "Meiryo"),
    ),
    Script(
        "Korean",
        "ko",
        ("HANGUL",),
        "한",
        ("Noto Sans CJK KR", "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic"),
    ),
    Script(
        "Chinese",
        "zh",
        ("CJK", "BOPOMOFO"),
        "说",
        ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei"),
    ),
    Script("Arabic", "und-Arab", ("ARABIC",), "ع", ("Noto Sans Arabic", "Geeza Pro", "Segoe UI")),
    Script("Hebrew", "he", ("HEBREW",), "א", ("Noto Sans Hebrew", "Arial Hebrew", "Segoe UI")),
    Script(
        "Devanagari (Hindi)",
        "und-Deva",
        ("DEVANAGARI",),
        "क",
        ("Noto Sans Devanagari", "Kohinoor Devanagari", "Nirmala UI"),
    ),
    Script("Bengali", "und-Beng", ("BENGALI",), "ক", ("Noto Sans Bengali", "Kohinoor Bangla", "Nirmala UI")),
    Script("Tamil", "ta", ("TAMIL",), "க", ("Noto Sans Tamil", "Tamil Sangam MN", "Nirmala UI")),
    Script("Telugu", "te", ("TELUGU",), "క", ("Noto Sans Telugu", "Kohinoor Telugu", "Nirmala UI")),
    Script("Thai", "th", ("THAI",), "ก", ("Noto Sans Thai", "Thonburi", "Leelawadee UI")),
    Script("Khmer", "km", ("KHMER",), "ក", ("Noto Sans Khmer", "Khmer Sangam MN", "Leelawadee UI")),
    Script("Burmese", "my", ("MYANMAR",), "က", ("Noto Sans Myanmar", "Myanmar Sangam MN", "Myanmar Text")),
    Script("Amharic", "am", ("ETHIOPIC",), "አ", ("Noto Sans Ethiopic", "Kefa", "Ebrima")),
    Script("Georgian", "ka", ("GEORGIAN",), "ა", ("Noto Sans Georgian", "Helvetica Neue", "Sylfaen")),
    Script("Armenian", "hy", ("ARMENIAN",), "Ա", ("Noto Sans Armenian", "Mshtakan", "Sylfaen")),
    Script("emoji", "", (), "🧩", ()),
)

_EMOJI = ("Noto Color Emoji", "Apple Color Emoji", "Segoe UI Emoji")
"""Named last: they have digits of their own."""

_PACKAGES = "fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji (Debian, Ubuntu) or default-fonts (Fedora)"
"""What to install; macOS and Windows bring fonts for all of these scripts."""


def language(text: str) -> str:
    """Return the language that a page declares for ``text``: the one its letters point to, ``""`` if none does.

    Chinese characters are read as Japanese beside kana, and as Korean beside Hangul, because each of them has its own
    forms of these characters.

    >>> language("天気"), language("天気のニュース"), language("news أخبار")
    ('zh', 'ja', 'und-Arab')
    """
    found = Counter(_script_of(character) for character in text)
    if found["Chinese"]:
        for script in SCRIPTS[:2]:
            if found[script.name]:
                return script.language
    return next((_LANGUAGES[name] for name, _ in found.most_common() if name in _LANGUAGES), "")


def font_families(text: str = "") -> list[str]:
    """Return names of fonts for all scripts, those for the language of ``text`` first, to be tried in this order."""
    first = language(text)
    ordered = sorted(SCRIPTS, key=lambda script: (script.language != first, script.name != "Chinese"))
    return [*dict.fromkeys(family for script in ordered for family in script.families), "sans-serif", *_EMOJI]


def font_css() -> str:
    """Return style rules that give all of a page's text fonts for every script, and each language its own first."""
    rules = [f"body {{ font-family: {_css_list(font_families())}; }}"]
    rules += [
        f":lang({script.language}) {{ font-family: {_css_list(font_families(script.sample))}; }}"
        for script in SCRIPTS
        if script.language in ("ja", "ko", "zh")  # the others share no characters
    ]
    return "\n".join(rules)


def missing_scripts(font_files: Iterable[str] | None = None) -> list[str]:
    """Return the names of the scripts that none of ``font_files`` can draw; None: the fonts of this machine."""
    from matplotlib.font_manager import findSystemFonts
    from matplotlib.ft2font import FT2Font

    missing = {script.name: ord(script.sample) for script in SCRIPTS}
    for path in sorted(findSystemFonts() if font_files is None else font_files):
        try:
            font = FT2Font(path)
        except (OSError, RuntimeError):  # no font, or one of bitmaps that this FreeType cannot scale
            continue
        missing = {name: character for name, character in missing.items() if not font.get_char_index(character)}
        if not missing:
            break
    return list(missing)


def missing_fonts_advice(missing: list[str]) -> str:
    """Return a sentence that says what to install for the scripts in ``missing``."""
    return f"No font on this machine draws {', '.join(missing)}: install {_PACKAGES}"


def _css_list(families: list[str]) -> str:
    return ", ".join(["system-ui", *(family if family == "sans-serif" else f'"{family}"' for family in families)])


def _script_of(character: str) -> str:
    if character.isascii():
        return ""
    name = unicodedata.name(character, "")
    return next((script.name for script in SCRIPTS if script.letters and name.startswith(script.letters)), "")


_LANGUAGES = {script.name: script.language for script in SCRIPTS if script.letters}
