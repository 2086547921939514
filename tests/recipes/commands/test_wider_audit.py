"""`framegate audit --wider`: rows for codecs, scalers, grades, words and dates, beside a score that stays as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from framegate.recipes.commands.training.audit_command import _traces_of
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.reports.audit_page import add_audit
from framegate.recipes.reports.cards import backbone_card
from framegate.recipes.reports.page import Page
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone

KINDS = ["codec", "resolution", "grade", "words", "date"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone whose card tells of a recipe with JPEG in three of ten views."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("backbone") / "backbone"
    config = read_recipe(PretrainConfig, "moco_small", ["views.traces.codec=0.3"])
    export_backbone(Backbone("test_resnet", image_size=32), path, card=backbone_card(config, []))
    return path


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


@pytest.mark.slow
def test_wider_adds_rows_and_a_score_and_changes_no_other_value(folder, store, framegate, tmp_path, capsys) -> None:
    call = ("audit", folder, store, "--frames", 60)
    assert framegate(*call, "--json", tmp_path / "plain.json") == 0
    assert "Wider" not in capsys.readouterr().out
    page = tmp_path / "audit.html"
    assert framegate(*call, "--wider", "--json", tmp_path / "wider.json", "--page", page) == 0
    printed = capsys.readouterr().out
    plain, wider = read(tmp_path / "plain.json"), read(tmp_path / "wider.json")
    assert [plain.pop(key) for key in ("wider", "score_wider", "interval_wider")] == [None, None, None]
    rows, score, (low, high) = (wider.pop(key) for key in ("wider", "score_wider", "interval_wider"))
    assert wider == plain
    section = Page("a report of an audit from before there was more")
    add_audit(section, plain)
    section.write(tmp_path / "report.html")
    assert "Wider" not in (tmp_path / "report.html").read_text(encoding="utf-8")

    assert list(rows) == KINDS
    assert score == pytest.approx(sum(row["score"] for row in rows.values()) / 5) and low <= score <= high
    for kind, row in rows.items():
        assert row.keys() - wider["overlays"]["all"].keys() == {"looks", "view", "view_in_recipe"}
        assert not wider["overlays"]["all"].keys() - row.keys()
        assert len(set(row["looks"])) == 12
        assert (row["view"], row["view_in_recipe"]) == (f"views.traces.{kind}", 0.3 if kind == "codec" else 0.0)
    assert f"Wider: score {score:.3f}" in printed and "0.3 of views" in printed

    html = page.read_text(encoding="utf-8")
    assert html.count("<img") == 2 + 1 + len(KINDS)  # the figure, and the looks of each kind
    assert f"Wider: score {score:.3f}" in html and "0.3 of views" in html
    for kind, row in rows.items():
        assert f"views.traces.{kind}" in html
        assert all(look.replace("'", "&#x27;") in html for look in row["looks"])


@pytest.mark.parametrize(
    ("recipe", "codec"),
    [
        ("views: {strength: moco_v2}", 0.0),  # of a recipe from before there were traces
        ("views: {traces: {codec: 0.25}}", 0.25),
        ("views: {traces: {codec: often}}", None),
        ("views: {traces: {codek: 0.1}}", None),
        ("views: {traces: {codec: 7}}", None),
        ("views: {traces: [1, 2]}", None),
        ("views: 3", None),
        ("streams: {}", None),
        ("views: {", None),
        ("- views", None),
        (None, None),
    ],
)
def test_the_recipe_is_read_from_the_card_and_a_strange_card_is_not_known(recipe, codec, tmp_path: Path) -> None:
    card = "# a model\n" if recipe is None else f"# a model\n\n## Recipe\n```yaml\n{recipe}\n```\n"
    (tmp_path / "README.md").write_text(card)
    traces = _traces_of(str(tmp_path))
    assert (None if traces is None else traces.codec) == codec


def test_the_recipe_of_a_name_is_not_known() -> None:
    assert _traces_of("resnet18") is None and _traces_of("hf-hub:someone/model") is None
