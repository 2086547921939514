"""Self-contained HTML pages: text escaped, pictures embedded, nothing loaded from elsewhere."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from framegate.media.evenly_spaced import evenly_spaced
from framegate.media.files import write_bytes
from framegate.media.visible import visible, visible_lines
from framegate.recipes.reports.outputs import generator, output_file

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
tr.best td { font-weight: 600; }
figure { margin: 1rem 0; } img { max-width: 100%; background: #fff; image-rendering: auto; }
figcaption, .note { color: #777; font-size: .9rem; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
.clip { border: 1px solid #8884; border-radius: .4rem; padding: .7rem; font-size: .9rem; overflow-wrap: anywhere; }
.warning { border-left: .3rem solid #c0392b; background: #c0392b1a; padding: .6rem .9rem; }
.right { color: #2a8f4a; } .wrong { color: #c0392b; }
"""


class Page:
    """A report that grows from top to bottom; whatever text it is given is shown as text, never run as markup."""

    def __init__(self, title: str, lead: str = ""):
        self.title = title
        self._parts = [f"<h1>{_text(title)}</h1>"]
        if lead:
            self.note(lead)

    def heading(self, text: str) -> None:
        """Add the title of a section."""
        self._parts.append(f"<h2>{_text(text)}</h2>")

    def note(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f'<p class="note">{_text(text)}</p>')

    def warning(self, text: str) -> None:
        """Add a paragraph that stands out."""
        self._parts.append(f'<p class="warning">{_text(text)}</p>')

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, best: int | None = None) -> None:
        """Add a table, with row number ``best`` highlighted."""
        head = "".join(f"<th>{_text(cell)}</th>" for cell in header)
        body = "".join(
            f"<tr{' class=best' if number == best else ''}>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>"
            for number, row in enumerate(rows)
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a figure. Its names are plain text: dollar signs in them start no formula."""
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        self._image(buffer.getvalue(), caption)

    def picture(self, rgb: np.ndarray, caption: str) -> None:
        """Add a picture, (H, W, 3) uint8 RGB."""
        self._image(_png(rgb), caption)

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
            f'<meta name="generator" content="{_text(generator())}"><title>{_text(self.title)}</title>'
            f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
        ).encode()

    def _image(self, png: bytes, caption: str) -> None:
        caption = _text(caption)
        image = f'<img alt="{caption}" src="{_data_url(png)}">'
        self._parts.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")


class ClipCard:
    """A clip in a page: a strip of frames, lines of text, and whether it was classified rightly."""

    def __init__(self, strip: np.ndarray | None, lines: Sequence[str], *, verdict: str, right: bool):
        self.strip = strip
        self.lines = lines
        self.verdict = verdict
        self.right = right

    def html(self) -> str:
        """Return the card as HTML, its text escaped."""
        image = "<p>no frames</p>"
        if self.strip is not None:
            image = f'<img alt="frames" src="{_data_url(_png(self.strip))}">'
        verdict = f'<div class="{"right" if self.right else "wrong"}">{_text(self.verdict)}</div>'
        lines = "".join(f"<div>{_text(line)}</div>" for line in self.lines)
        return f'<div class="clip">{image}{verdict}{lines}</div>'


def strip_of(frames: Sequence[np.ndarray], *, height: int = 90, max_frames: int = 4) -> np.ndarray | None:
    """Return at most ``max_frames`` of ``frames``, evenly spaced, side by side: (height, W, 3) uint8; None of none."""
    if not len(frames):
        return None
    chosen = [frames[i] for i in evenly_spaced(len(frames), max_frames, rounding="nearest")]
    return np.hstack([cv2.resize(f, (round(f.shape[1] * height / f.shape[0]), height)) for f in chosen])


def drawn_name(name: str, *, max_length: int = 40) -> str:
    """Return a user's name for a figure: on one line, and cut where it would leave no room for what is drawn."""
    shown = visible(name)
    return shown if len(shown) <= max_length else f"{shown[: max_length - 1]}…"


def _text(value: object) -> str:
    return html.escape(visible_lines(value), quote=True)


def _png(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
