"""Every page with names that are markup, formulas, terminal escapes and turns of direction: all are shown as text."""

import base64
import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from framegate.recipes.reports.class_table import write_class_table
from framegate.recipes.reports.page import Name, Page
from tests.recipes.reports.named_pages import WRITERS, Named, evaluation, named

ESCAPES = "\x1b[31m \x9b \u202e \u2066 \U000e0041 \uffff"
HOSTILE = f"<script>alert(1)</script>\"'><img src=x onerror=alert(1)> \\frac $\\frac$ $_$ {ESCAPES}"
_HIDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")

DRAWN = {"svg", "metadata", "defs", "style", "g", "path", "use", "clipPath", "rect", "text", "image", "linearGradient"}
DRAWN |= {"RDF", "Work", "type", "format", "creator", "Agent", "title", "date"}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Named:
    """Titles and the names of categories are hostile."""
    return named(tmp_path_factory.mktemp("hostile"), [f"{HOSTILE}0", f"{HOSTILE}1"], top=f"=1+1{HOSTILE}0")


@pytest.mark.parametrize("write", WRITERS)
def test_names_of_strangers_are_text_on_every_page_and_figure(write: Callable, material: Named, tmp_path: Path) -> None:
    page = write(tmp_path, material).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert not _HIDING.search(page)
    assert r"\u202e" in page
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith("data:") for link in links)
    figures = [base64.b64decode(link.partition(",")[2]) for link in links if link.startswith("data:image/svg")]
    assert figures or write is evaluation
    for figure in figures:
        assert {element.tag.rpartition("}")[2] for element in ET.fromstring(figure).iter()} <= DRAWN  # noqa: S314


def test_a_page_shows_escapes_and_turns_of_direction_wherever_text_stands(tmp_path: Path) -> None:
    page = Page(HOSTILE, HOSTILE)
    page.heading(HOSTILE)
    page.table([HOSTILE], [["two\nlines\tand a tab"]])
    page.note([Name(HOSTILE), " beside ", Name(HOSTILE)])
    page.table(["name"], [[Name(HOSTILE)]])
    page.write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count(r"\x1b[31m \x9b \u202e \u2066 \U000e0041 \uffff") == 8
    assert "two\nlines\tand a tab" in text


def test_the_table_of_classes_holds_no_formula(material: Named, tmp_path: Path) -> None:
    model, clips, outputs = material.model, material.clips, material.outputs
    write_class_table(tmp_path / "classes.csv", model, clips, outputs)
    with (tmp_path / "classes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"][:5] for row in rows] == ["'=1+1"] * 2
    assert float(rows[0]["precision"]) >= 0


def test_failures_and_predictions_in_a_terminal_show_escapes(
    material: Named, framegate, tmp_path: Path, capsys
) -> None:
    model, clips = material.model, material.clips
    model.save_pretrained(tmp_path / "classifier")
    clips.sampling.save(tmp_path / "classifier")
    broken = tmp_path / f"broken{ESCAPES}\nfine.mp4"
    broken.write_text("no video")
    rows = [{"id": "a", "title": "t", "x": f"y{ESCAPES}"}, {"id": "b", "video": broken.name}]
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert framegate("predict", tmp_path / "classifier", tmp_path / "clips.jsonl") == 0
    captured = capsys.readouterr()
    assert not _HIDING.search(captured.err)
    assert any(line.startswith("b: ") and r"broken\x1b" in line for line in captured.err.splitlines())
    (line,) = captured.out.splitlines()
    assert not _HIDING.search(line)
    assert json.loads(line)["x"] == f"y{ESCAPES}"
    assert framegate("predict", tmp_path / "classifier", tmp_path / "clips.jsonl", "--out", tmp_path / "p.jsonl") == 0
    (written,) = (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(written)["x"] == f"y{ESCAPES}"
