"""Self-contained HTML pages: text escaped, in any script, pictures embedded, nothing loaded from elsewhere."""

import base64
import html
import io
import unicodedata
import warnings
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.cells import cell_len

from framegate.media.evenly_spaced import evenly_spaced
from framegate.media.files import write_bytes
from framegate.media.visible import visible, visible_lines
from framegate.recipes.reports.fonts import font_css, font_families, language
from framegate.recipes.reports.outputs import generator, output_file

_STYLE = """
:root { color-scheme: light dark; }
body { font-size: 16px; line-height: 1.5; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, p, .clip, figcaption, bdi, td[dir] { overflow-wrap: anywhere; }
h1, h2, p, figcaption, td, .clip > div { overflow-y: clip; overflow-clip-margin: .3em; }
.wide { overflow: auto hidden; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
td { white-space: nowrap; } td[dir] { white-space: normal; text-align: start; }
tr.best td { font-weight: 600; }
figure { margin: 1rem 0; } img { max-width: 100%; background: #fff; image-rendering: auto; }
figcaption, .note { color: #777; font-size: .9rem; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1rem; }
.clip { border: 1px solid #8884; border-radius: .4rem; padding: .7rem; font-size: .9rem; }
.warning { border-left: .3rem solid #c0392b; background: #c0392b1a; padding: .6rem .9rem; }
.right { color: #2a8f4a; } .wrong { color: #c0392b; }
"""


class Name(str):
    """Text that a user wrote: a page shows it in the letters and the direction of its own language.

    The direction of what stands around it does not change, so "رياضة taken for أخبار: 3 clips" keeps its order.
    """


Words = str | Sequence[str]
"""Text for a page, or pieces of it to be joined, any of which may be a `Name`."""


class Page:
    """A report that grows from top to bottom; whatever text it is given is shown as text, never run as markup."""

    def __init__(self, title: Words, lead: Words = ""):
        self.title = title
        self._parts = [_element("h1", title)]
        if lead:
            self.note(lead)

    def heading(self, text: Words) -> None:
        """Add the title of a section."""
        self._parts.append(_element("h2", text))

    def note(self, text: Words) -> None:
        """Add a paragraph."""
        self._parts.append(_element("p", text, kind="note"))

    def warning(self, text: Words) -> None:
        """Add a paragraph that stands out."""
        self._parts.append(_element("p", text, kind="warning"))

    def table(self, header: Sequence[Words], rows: Sequence[Sequence[Words]], *, best: int | None = None) -> None:
        """Add a table, with row number ``best`` highlighted."""
        head = "".join(_element("th", cell) for cell in header)
        body = "".join(
            f"<tr{' class=best' if number == best else ''}>{''.join(_element('td', cell) for cell in row)}</tr>"
            for number, row in enumerate(rows)
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        self._parts.append(f'<div class="wide">{table}</div>')

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a figure as a vector picture, whose text the reader's browser draws with fonts for every script.

        Names in it are plain text: dollar signs in them start no formula.
        """
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        self._image(_data_url(_svg(figure), "svg+xml"), caption)

    def picture(self, rgb: np.ndarray, caption: str) -> None:
        """Add a picture, (H, W, 3) uint8 RGB."""
        self._image(_data_url(_png(rgb), "png"), caption)

    def clips(self, cards: Sequence["ClipCard"]) -> None:
        """Add cards of clips, side by side."""
        self._parts.append(f'<div class="clips">{"".join(card.html() for card in cards)}</div>')

    def write(self, path: Path) -> None:
        """Write the finished page, whole or not at all, over whatever is there: for a page in a run's own folder."""
        write_bytes(path, self._html())

    def write_output(self, path: Path) -> None:
        """Write the finished page where a user said, see `claim_output`."""
        with output_file(path) as file:
            file.write(self._html())

    def _html(self) -> bytes:
        body = "\n".join(self._parts)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="generator" content="{_text(generator())}"><title>{_text("".join(self.title))}</title>'
            f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f"<style>{_STYLE}{font_css()}</style></head>\n<body>\n{body}\n</body></html>\n"
        ).encode()

    def _image(self, url: str, caption: str) -> None:
        caption = _text(caption)
        image = f'<img alt="{caption}" src="{url}">'
        self._parts.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")


class ClipCard:
    """A clip in a page: a strip of frames, lines of text, and whether it was classified rightly."""

    def __init__(self, strip: np.ndarray | None, lines: Sequence[Words], *, verdict: Words, right: bool):
        self.strip = strip
        self.lines = lines
        self.verdict = verdict
        self.right = right

    def html(self) -> str:
        """Return the card as HTML, its text escaped."""
        image = "<p>no frames</p>"
        if self.strip is not None:
            image = f'<img alt="frames" src="{_data_url(_png(self.strip), "png")}">'
        verdict = _element("div", self.verdict, kind="right" if self.right else "wrong")
        lines = "".join(_element("div", line) for line in self.lines)
        return f'<div class="clip">{image}{verdict}{lines}</div>'


def strip_of(frames: Sequence[np.ndarray], *, height: int = 90, max_frames: int = 4) -> np.ndarray | None:
    """Return at most ``max_frames`` of ``frames``, evenly spaced, side by side: (height, W, 3) uint8; None of none."""
    if not len(frames):
        return None
    chosen = [frames[i] for i in evenly_spaced(len(frames), max_frames, rounding="nearest")]
    return np.hstack([cv2.resize(f, (round(f.shape[1] * height / f.shape[0]), height)) for f in chosen])


def path_words(names: Sequence[str]) -> list[str]:
    """Return the names of a path in a tree, from its top, with slashes between them."""
    return [part for name in names for part in (" / ", Name(name))][1:]


def drawn_name(name: str, *, max_cells: int = 40) -> str:
    """Return a user's name for a figure: on one line, and cut where it would leave no room for what is drawn.

    Args:
        name: in any script.
        max_cells: width in Latin letters; a Chinese character is two of them wide.

    >>> drawn_name("an apple", max_cells=6), drawn_name("天気予報", max_cells=6)
    ('an ap…', '天気…')
    """
    shown = _with_few_marks(visible(name))
    cells = [0, *accumulate(map(cell_len, shown))]
    if cells[-1] > max_cells:
        fitting = (end for end in range(len(shown)) if cells[end] < max_cells and _is_whole(shown, end))
        shown = f"{shown[: max(fitting)]}…"
    turned = any(unicodedata.bidirectional(character) in ("R", "AL") for character in shown)
    return f"\u2068{shown}\u2069" if turned else shown  # isolated from the direction of the figure


def _with_few_marks(text: str, *, max_marks: int = 8) -> str:
    """Return ``text`` with at most ``max_marks`` accents a character: a tower of them covers what stands beside it."""
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        if marks <= max_marks:
            kept.append(character)
    return "".join(kept)


def _is_whole(text: str, end: int) -> bool:
    """Return whether ``text[:end]`` cuts no accent and no part of an emoji off its last character."""
    return end == 0 or not (_is_mark(text[end]) or "\u200d" in text[end - 1 : end + 1])  # a joiner


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _element(tag: str, words: Words, *, kind: str = "") -> str:
    """Return an HTML element around ``words``; one that is a single name takes the name's direction and language."""
    kind = f' class="{kind}"' if kind else ""
    if isinstance(words, Name):
        return f'<{tag}{kind} dir="auto" lang="{language(words)}">{_text(words)}</{tag}>'
    pieces = [words] if isinstance(words, str) else words
    inner = "".join(_isolated(piece) if isinstance(piece, Name) else _text(piece) for piece in pieces)
    return f"<{tag}{kind}>{inner}</{tag}>"


def _isolated(name: Name) -> str:
    return f'<bdi lang="{language(name)}">{_text(name)}</bdi>'


def _text(value: object) -> str:
    return html.escape(visible_lines(value), quote=True)


def _png(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def _svg(figure: Figure) -> bytes:
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    buffer = io.BytesIO()
    settings = matplotlib.rc_context(
        {
            "svg.fonttype": "none",  # text, not outlines
            "svg.hashsalt": "framegate",  # equal figures, equal bytes
            "font.sans-serif": ["DejaVu Sans", *font_families(words)],
            "font.enable_last_resort": True,  # as wide as the characters that the browser will draw
        }
    )
    with settings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # it only measures them
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue()


def _data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
