"""Pages: text stays text, and nothing is loaded from elsewhere."""

import base64
import html
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from framegate.recipes.reports.page import ClipCard, Page, strip_of

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
    strip = strip_of(frames, height=10, max_frames=3)
    assert strip is not None
    assert strip.shape == (10, 60, 3)
    assert (strip[0, 0, 0], strip[0, 30, 0], strip[0, -1, 0]) == (0, 100, 200)
    assert strip_of([]) is None


def test_a_figures_labels_are_text_in_any_script_whatever_fonts_are_installed(tmp_path: Path) -> None:
    names = ["天气预报", "أخبار", "मौसम", "ข่าว", "날씨", "$_$ <b>"]
    pages = []
    for attempt in range(2):
        figure = Figure(layout="constrained")
        figure.subplots().set_yticks(range(len(names)), names, parse_math=False)
        page = Page("title")
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as "Glyph 22825 missing from font(s) DejaVu Sans"
            page.figure(figure, "names")
        page.write(tmp_path / f"{attempt}.html")
        pages.append((tmp_path / f"{attempt}.html").read_text(encoding="utf-8"))
    assert pages[0] == pages[1]
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', pages[0])
    assert found
    drawing = base64.b64decode(found[1]).decode()
    assert all(f">{html.escape(name, quote=False)}</text>" in drawing for name in names)


DRAWN = """
from framegate.recipes.reports.page import Page
from framegate.recipes.reports.pretrain_curves import training_curves
Page("title").figure(training_curves([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]), "curves")
"""
ALL_IMPORTED = """
import importlib, pkgutil
import framegate.media, framegate.augment, framegate.ssl, framegate.finetune, framegate.recipes
for part in (framegate.media, framegate.augment, framegate.ssl, framegate.finetune, framegate.recipes):
    for module in pkgutil.walk_packages(part.__path__, part.__name__ + "."):
        importlib.import_module(module.name)
"""


@pytest.mark.parametrize(
    "code", [DRAWN, pytest.param(ALL_IMPORTED + DRAWN, marks=pytest.mark.slow)], ids=["drawing", "importing_everything"]
)
def test_a_user_keeps_the_settings_of_matplotlib(code: str) -> None:
    before = (
        "import matplotlib\n"
        "matplotlib.use('svg')\n"
        "matplotlib.rcParams['figure.dpi'] = 77\n"
        "before = dict(matplotlib.rcParams)\n"
    )
    after = "assert matplotlib.get_backend() == 'svg' and dict(matplotlib.rcParams) == before\n"
    done = subprocess.run([sys.executable, "-c", before + code + after], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
