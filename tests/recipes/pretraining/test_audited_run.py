"""A pretraining audits itself where its recipe asks for it: in its metrics, W&B, its report, its card, and exports."""

import json
import re
from pathlib import Path

import pytest

from tests.recipes.conftest import Framegate
from tests.recipes.pretraining.test_seeing import TINY, rows, wandb_log
from tests.ssl.small_stores import make_store, write_video

FIGURES = {"audit_score", "audit_decodability", "audit_same_overlay_neighbours", "audit_drift"}


@pytest.fixture(autouse=True)
def _not_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_an_audited_run_says_so_everywhere_and_learns_the_same(
    framegate: Framegate, store: Path, tmp_path: Path
) -> None:
    arguments = [f"data.store={store}", f"run_dir={tmp_path}", *TINY, "log.every=1000"]
    assert framegate("pretrain", "moco_small", *arguments, "log.audit_every=3", "name=audited") == 0
    assert framegate("pretrain", "moco_small", *arguments, "log.wandb_project=null", "name=plain") == 0
    run, plain = tmp_path / "audited", tmp_path / "plain"

    last = rows(run)[-1]["step"]
    audits = [row for row in rows(run) if row.keys() >= FIGURES]
    assert [row["step"] for row in audits] == list(range(3, last + 1, 3))
    assert rows(run)[-1]["loss"] == rows(plain)[-1]["loss"]
    assert b"audit_score" in wandb_log(run)

    values = json.loads((run / "audit.json").read_text())
    assert values["step"] == last
    headings = re.findall("<h2>(.*?)</h2>", (run / "report.html").read_text(encoding="utf-8"))
    assert "Shortcut audit while training" in headings
    assert any(heading.startswith(f"Shortcut audit: score {values['score']:.3f}") for heading in headings)
    assert f"Score **{values['score']:.3f}**" in (run / "backbone" / "README.md").read_text(encoding="utf-8")
    assert framegate("export", run, "--out", tmp_path / "exported") == 0
    assert "## Shortcut audit" in (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")

    assert not (plain / "audit.json").exists()
    assert "Shortcut audit" not in (plain / "report.html").read_text(encoding="utf-8")
    assert "Shortcut audit" not in (plain / "backbone" / "README.md").read_text(encoding="utf-8")


def test_a_store_that_cannot_be_audited_is_trained_on_all_the_same(
    framegate: Framegate, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    from framegate.media import Clip

    video = write_video(tmp_path / "alone.mp4", seed=0)
    make_store([Clip(id="alone", video=video, programme="p", split="train")], tmp_path / "store")
    arguments = [f"data.store={tmp_path / 'store'}", f"run_dir={tmp_path}", *TINY, "optim.batch_size=4"]
    arguments += ["log.wandb_project=null", "log.audit_every=1", "name=alone"]
    assert framegate("pretrain", "moco_small", *arguments) == 0
    assert capfd.readouterr().err.count("no audit while training: ") == 1
    assert not (tmp_path / "alone" / "audit.json").exists()
