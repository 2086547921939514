"""What framegate 0.1 wrote before its rooms were built still opens: a store, two runs in the middle, model folders.

The runs' metrics end with their checkpoints; beside the runs lie the metrics that they had at their end.
"""

import json
import tarfile
from pathlib import Path

import pytest
import timm
import torch

from framegate.media import FrameStore
from tests.recipes.conftest import Framegate

KEPT = Path(__file__).parents[1] / "data" / "before_rooms.tar.xz"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(KEPT) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and newer have it
        archive.extractall(tmp_path)  # noqa: S202 - an archive of our own
    monkeypatch.chdir(tmp_path)  # their recipes name the store by a path from here
    return tmp_path


def losses(metrics: Path) -> dict[int, float]:
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows}


def test_an_old_store_and_an_old_backbone_open(old: Path) -> None:
    store = FrameStore(old / "store")
    assert (len(store), len(store.videos)) == (60, 20)
    backbone = timm.create_model(f"local-dir:{old / 'runs' / 'moco_small' / 'backbone'}", pretrained=True).eval()
    assert backbone(torch.zeros(1, 3, 32, 32)).shape == (1, backbone.num_features)


def test_an_old_pretraining_goes_on_as_it_would_have(old: Path, framegate: Framegate) -> None:
    assert framegate("pretrain", "runs/moco_small/config.yaml", "--resume") == 0
    now, then = losses(old / "runs" / "moco_small" / "metrics.jsonl"), losses(old / "moco_metrics.jsonl")
    assert list(now) == list(then) == list(range(1, 13))
    assert [now[step] for step in now] == pytest.approx([then[step] for step in then], rel=1e-3)


def test_an_old_fine_tuning_goes_on_as_it_would_have(old: Path, framegate: Framegate) -> None:
    assert framegate("finetune", "runs/fusion_small/config.yaml", "--resume") == 0
    now, then = losses(old / "runs" / "fusion_small" / "metrics.jsonl"), losses(old / "fusion_metrics.jsonl")
    assert list(now) == list(then) == list(range(1, 7))
    assert [now[step] for step in now] == pytest.approx([then[step] for step in then], rel=1e-3)


def test_an_old_classifier_says_what_it_said(old: Path, framegate: Framegate) -> None:
    assert framegate("evaluate", "runs/three/classifier", "store", "--json", "now.json") == 0
    now, then = (json.loads((old / name).read_text()) for name in ("now.json", "evaluation.json"))
    assert now["n"] == then["n"]
    assert now["levels"]["leaf"] == pytest.approx(then["levels"]["leaf"], abs=1e-3)
