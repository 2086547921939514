"""Pages and figures in a real browser, with names in many scripts: letters are drawn, and nothing leaves its place."""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.recipes.reports.finetune_report import confusion_matrix
from framegate.recipes.reports.fonts import missing_scripts
from framegate.recipes.reports.page import ClipCard, Name, Page
from tests.docs.browser import Browser
from tests.recipes.reports.named_pages import WRITERS, Named, named

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAMES = {
    "Chinese": "天气预报与地方新闻",
    "Arabic": "أخبار محلية (اليوم)",
    "Hindi": "मौसम समाचार",
    "Thai": "พยากรณ์อากาศวันนี้",
    "Korean": "날씨와 지역 뉴스",
    "Japanese": "天気予報のニュース",
    "Hebrew": "חדשות מקומיות",
}
SCRIPTS = ["Chinese", "Arabic", "Hindi", "Thai", "Korean"]
UNASSIGNED = "\u0378\u0379\u0380"
DIFFICULT = [
    "<script>alert(1)</script>\"'>",
    "a\u202eb\u2066c",
    "zero\u200bwidth\u200djoined\u00adhere",
    "x" * 300,
    "新" * 300,
    "e" + "\u0301\u0327" * 150,
]
NARROW = 400  # CSS pixels

# A letter is a box if it looks like a code point that no font has; the computed style of its element says which fonts.
JS = """
const drawn = (font, letter) => {
  const canvas = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas");
  canvas.width = canvas.height = 48;
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.font = font;
  pen.fillText(letter, 10, 32);
  return pen.getImageData(0, 0, 48, 48).data.join();
};
const boxes = selector => [...document.querySelectorAll(selector)].flatMap(element => {
  const style = getComputedStyle(element), font = `24px ${style.fontFamily}`, box = drawn(font, "\\u0378");
  return [...element.textContent.matchAll(/\\p{L}|[\\u0378-\\u0380]/gu)].map(found => found[0])
    .filter(letter => drawn(font, letter) === box);
}).join("");
const outside = (selector, width) => [...document.querySelectorAll(selector)]
  .filter(element => !element.closest(".wide"))
  .filter(element => { const r = element.getBoundingClientRect(); return r.left < -0.5 || r.right > width + 0.5; })
  .map(element => element.textContent.slice(0, 60));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert set(missing_scripts()) <= {"emoji"}, "these tests need Debian's fonts-noto-core and fonts-noto-cjk"
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def ask(browser: Browser, expression: str) -> Any:
    return browser.evaluate(f"(() => {{ {JS} return {expression}; }})()")


def figure_of(names: list[str], folder: Path) -> Path:
    """A page's confusion matrix of classes with these names, as a file of its own."""
    tree = Taxonomy(tuple(Node(f"x{number}", name=name) for number, name in enumerate(names)))
    classes = np.arange(len(names))
    page = Page("title")
    page.figure(confusion_matrix(classes, classes, tree, classes), "confusions")
    page.write(folder / "page.html")
    url = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', (folder / "page.html").read_text(encoding="utf-8"))
    assert url
    (folder / "figure.svg").write_bytes(base64.b64decode(url[1]))
    return folder / "figure.svg"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Named:
    return named(tmp_path_factory.mktemp("scripts"), [*NAMES.values(), *DIFFICULT], top=NAMES["Arabic"])


@pytest.mark.parametrize("write", WRITERS)
def test_names_in_every_script_are_drawn_on_every_page_and_fit_a_narrow_window(
    write: Callable[[Path, Named], Path], material: Named, browser: Browser, tmp_path: Path
) -> None:
    browser.open(write(tmp_path, material), width=NARROW)
    assert ask(browser, 'boxes("h1, h2, p, td, bdi, .clip div")') == ""
    assert browser.evaluate("document.documentElement.scrollWidth") == NARROW
    assert ask(browser, f'outside("body *", {NARROW})') == []
    assert browser.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0
    assert browser.evaluate("document.scripts.length") == 0


def test_a_page_with_letters_that_no_font_has_is_noticed(browser: Browser, tmp_path: Path) -> None:
    page = Page(Name(UNASSIGNED))
    page.write(tmp_path / "page.html")
    browser.open(tmp_path / "page.html", width=NARROW)
    assert ask(browser, 'boxes("h1")') == UNASSIGNED
    browser.open(figure_of([UNASSIGNED, "b"], tmp_path), width=1200)
    assert ask(browser, 'boxes("text")') == 2 * UNASSIGNED


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_class_name_in_every_script_is_drawn_in_a_figure(script: str, browser: Browser, tmp_path: Path) -> None:
    browser.open(figure_of([NAMES[script], "news"], tmp_path), width=1200)
    assert NAMES[script] in browser.evaluate('[...document.querySelectorAll("text")].map(t => t.textContent).join()')
    assert ask(browser, 'boxes("text")') == ""


@pytest.mark.parametrize(
    "names", [[*NAMES.values(), *DIFFICULT], ["新" * 300, "b"], ["b", "c"]], ids=["all", "wide", "plain"]
)
def test_a_figures_labels_lie_inside_it_and_on_none_of_its_other_words(
    names: list[str], browser: Browser, tmp_path: Path
) -> None:
    browser.open(figure_of(names, tmp_path), width=2000)
    rectangles = """[...document.querySelectorAll("text")].map(text => {
      const r = text.getBoundingClientRect(); return [text.textContent, r.left, r.top, r.right, r.bottom]; })"""
    whole = browser.evaluate(
        "(() => { const r = document.documentElement.getBoundingClientRect(); return [r.width, r.height]; })()"
    )
    found = browser.evaluate(rectangles)
    for name, left, top, right, bottom in found:
        assert left >= 0, name
        assert top >= 0, name
        assert right <= whole[0], name
        assert bottom <= whole[1], name
    titles = {name: box for name, *box in found if name in ("true", "predicted")}
    labels = [box for name, *box in found if name not in titles]
    assert titles["true"][2] <= min(left for left, *_ in labels)
    assert titles["predicted"][1] >= max(bottom for *_, bottom in labels)


def test_arabic_runs_from_right_to_left_and_its_letters_are_joined(browser: Browser, tmp_path: Path) -> None:
    name = NAMES["Arabic"]
    page = Page(Name(name))
    page.note([Name(name), " taken for ", Name("أ"), ": 3 clips"])
    page.write(tmp_path / "page.html")
    browser.open(tmp_path / "page.html", width=NARROW)
    starts = """(element, at) => { const range = document.createRange(); range.setStart(element.firstChild, at);
      range.setEnd(element.firstChild, at + 1); return range.getBoundingClientRect().left; }"""
    first, last = (browser.evaluate(f'({starts})(document.querySelector("h1"), {at})') for at in (0, len(name) - 1))
    assert first > last
    left, right = (
        browser.evaluate(f"document.querySelectorAll('bdi')[{at}].getBoundingClientRect().left") for at in (0, 1)
    )
    assert left < right  # the sentence around the names keeps its order
    browser.open(figure_of([name, "b"], tmp_path), width=1200)
    text = f'[...document.querySelectorAll("text")].find(text => text.textContent.includes("{name}"))'
    first, last = (browser.evaluate(f"{text}.getStartPositionOfChar({at}).x") for at in (1, len(name)))
    assert first > last
    joined = browser.evaluate(f"{text}.getComputedTextLength()")
    apart = browser.evaluate(
        f"(() => {{ const text = {text}; text.textContent = [...text.textContent].join('\\u200c');"
        " return text.getComputedTextLength(); })()"
    )
    assert joined < 0.9 * apart


def test_long_chinese_breaks_and_japanese_has_its_own_forms(browser: Browser, tmp_path: Path) -> None:
    page = Page("title")
    for name in ("直接" * 100, "直接の" * 60):
        page.note(Name(name))
    page.write(tmp_path / "page.html")
    browser.open(tmp_path / "page.html", width=NARROW)
    assert browser.evaluate("document.documentElement.scrollWidth") == NARROW
    chinese, japanese = (f'getComputedStyle(document.querySelectorAll("p")[{at}]).fontFamily' for at in (0, 1))
    pictures = {ask(browser, f'drawn("24px " + {fonts}, "直")') for fonts in (chinese, japanese)}
    assert len(pictures) == 2


def test_a_tower_of_accents_covers_nothing_beside_its_own_line(browser: Browser, tmp_path: Path) -> None:
    shown = []
    for name in ("e", "e" + "\u0301\u0327" * 150):
        page = Page("title")
        page.table(["above"], [["1"], [Name(name)], ["2"]])
        page.clips([ClipCard(None, ["above", Name(name), "below"], verdict="news", right=True)])
        page.write(tmp_path / "page.html")
        browser.open(tmp_path / "page.html", width=NARROW)
        parts = ("tr:nth-child(1) td", "tr:nth-child(3) td", ".clip div:nth-child(2)", ".clip div:nth-child(5)")
        shown += [browser.screenshot(part) for part in parts]
    assert shown[:4] == shown[4:]
