"""The built site: its links, pictures and anchors, a narrow screen and the keyboard."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import BaseModel

from framegate.recipes.cli import app
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.pretrain_config import PretrainConfig
from tests.docs.browser import Browser
from tests.docs.snippets import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PHONE = 360  # CSS pixels
TAB = 9


class Page(HTMLParser):
    """What a page has and what it points to: ids, links, and what the browser fetches by itself."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.pictures_without_text: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "src" in given:
            self.fetched.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.fetched.append(given["href"])
        if tag == "img" and not given.get("alt"):
            self.pictures_without_text.append(given["src"])


def keys(section: Any) -> Iterator[str]:
    """The names of all keys of a recipe, those of its sections included."""
    if isinstance(section, type) and (issubclass(section, BaseModel) or is_dataclass(section)):
        names = section.model_fields if issubclass(section, BaseModel) else [field.name for field in fields(section)]
        hints = get_type_hints(section)
        for name in names:
            yield name
            yield from keys(hints[name])
    for kind in get_args(section):
        yield from keys(kind)


@pytest.fixture(scope="module")
def site() -> Path:
    """The site as `make docs` builds it; what has not changed since is taken as it is."""
    out = ROOT / "build" / "docs"
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--quiet",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def test_no_link_picture_or_anchor_is_broken(pages: dict[Path, Page]) -> None:
    broken = []
    for file, page in pages.items():
        for target in page.links + page.fetched:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not there.is_file():
                broken.append(f"{file.name}: {target}")
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].ids:
                broken.append(f"{file.name}: {target}: no such anchor")
    assert not broken
    assert sum(len(page.links) for page in pages.values()) > 1000


def test_a_reader_fetches_nothing_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    foreign = {target for page in pages.values() for target in page.fetched if urlsplit(target).netloc}
    assert not foreign
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_every_picture_says_what_it_shows(pages: dict[Path, Page]) -> None:
    assert not [name for page in pages.values() for name in page.pictures_without_text]


def test_every_entry_of_a_menu_of_pages_is_there(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert sources <= {path.relative_to(site) for path in site.rglob("*.html")}


def test_the_reference_has_every_verb_and_every_key(site: Path, pages: dict[Path, Page]) -> None:
    verbs = {f"framegate-{command.name or command.callback.__name__}" for command in app.registered_commands}
    assert verbs <= pages[site / "reference" / "command_line.html"].ids
    for page, config in (("pretrain_recipe", PretrainConfig), ("finetune_recipe", FinetuneConfig)):
        text = (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
        assert not [key for key in keys(config) if not re.search(rf"[>.]{key}(<| \()", text)]


def test_a_phone_scrolls_no_page_sideways_and_shows_all_its_pictures(pages: dict[Path, Page], browser: Browser) -> None:
    wide = {}
    for file in pages:
        browser.open(file, width=PHONE)
        width = browser.evaluate("document.documentElement.scrollWidth")
        lost = browser.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).length")
        if width > PHONE or lost:
            wide[file.name] = (width, lost)
    assert not wide


def test_a_page_too_wide_for_a_phone_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text('<meta name="viewport" content="width=device-width"><div style="width: 500px">wide</div>')
    browser.open(page, width=PHONE)
    assert browser.evaluate("document.documentElement.scrollWidth") > PHONE


def test_the_keyboard_reaches_the_text_and_shows_where_it_is(site: Path, browser: Browser) -> None:
    browser.open(site / "start" / "ten_minutes.html", width=1200)
    reached, unseen = set(), []
    for _ in range(80):
        browser.press("Tab", TAB)
        where = browser.evaluate(
            "(e => ({inside: !!e.closest('article'), menu: !!e.closest('.sidebar-drawer'), body: e === document.body,"
            " name: e.outerHTML.slice(0, 80), seen: getComputedStyle(e).outlineStyle !== 'none' &&"
            " getComputedStyle(e).opacity > 0}))(document.activeElement)"
        )
        if where["body"]:
            break
        reached |= {place for place in ("inside", "menu") if where[place]}
        if not where["seen"]:
            unseen.append(where["name"])
    assert reached == {"inside", "menu"}
    assert not unseen
