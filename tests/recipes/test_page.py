"""Pages: text stays text, and nothing is loaded from elsewhere."""

import re
from pathlib import Path

import numpy as np

from framegate.recipes.page import ClipCard, Page, strip_of

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def test_text_from_users_is_escaped_everywhere(tmp_path: Path) -> None:
    page = Page(HOSTILE, HOSTILE)
    page.heading(HOSTILE)
    page.note(HOSTILE)
    page.warning(HOSTILE)
    page.table([HOSTILE], [[HOSTILE]])
    page.picture(np.zeros((4, 4, 3), np.uint8), HOSTILE)
    page.clips([ClipCard(None, [HOSTILE], verdict=HOSTILE, right=False)])
    page.write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "onerror=alert(1)>" not in text.replace("&gt;", "")
    assert text.count("&lt;script&gt;") >= 10


def test_a_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = Page("title")
    page.picture(np.zeros((4, 4, 3), np.uint8), "picture")
    page.write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(link.startswith("data:") for link in re.findall(r'(?:src|href)="([^"]*)"', text))


def test_a_strip_shows_the_first_and_the_last_frame() -> None:
    frames = [np.full((10, 20, 3), value, np.uint8) for value in (0, 50, 100, 150, 200)]
    strip = strip_of(frames, height=10, most=3)
    assert strip is not None
    assert strip.shape == (10, 60, 3)
    assert (strip[0, 0, 0], strip[0, 30, 0], strip[0, -1, 0]) == (0, 100, 200)
    assert strip_of([]) is None
