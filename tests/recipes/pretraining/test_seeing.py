"""A pretraining can be seen to learn, and to fail: metrics, W&B's own files, the page, and words on stderr."""

import json
import re
import struct
from pathlib import Path

import cv2
import pytest
import yaml

from tests.recipes.conftest import Framegate

TINY = [
    *("backbone.name=test_resnet", "backbone.image_size=32", "optim.batch_size=16", "method.queue=40"),
    *("data.workers=0", "optim.epochs=1", "log.every=1", "checkpoint.every=1000"),
]


@pytest.fixture(autouse=True)
def _not_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def offline_run(run: Path) -> Path:
    (folder,) = (run / "wandb").glob("offline-run-*")
    return folder


def wandb_log(run: Path) -> bytes:
    """What W&B would send, once it is online: the contents of its own log, which is cut into blocks as LevelDB's."""
    (log,) = offline_run(run).glob("*.wandb")
    data, contents, position = log.read_bytes(), b"", 7
    while position < len(data):
        if position % 32768 > 32768 - 7:  # no room for another header in this block
            position += 32768 - position % 32768
            continue
        _, length, _ = struct.unpack_from("<IHB", data, position)
        contents += data[position + 7 : position + 7 + length]
        position += 7 + length
    return contents


def test_a_run_can_be_seen_to_learn(framegate: Framegate, store: Path, tmp_path: Path) -> None:
    arguments = [f"data.store={store}", f"run_dir={tmp_path}", *TINY, "log.probe_every=2", "name=seen"]
    assert framegate("pretrain", "moco_small", *arguments) == 0
    run = tmp_path / "seen"

    last = rows(run)[-1]
    quantiles = {f"{side}_p{level}" for side in ("positive", "negative") for level in ("05", "50", "95")}
    figures = {"alignment", "uniformity", "embedding_std", "embedding_rank", "queue_age", "momentum", "lr", "data_wait"}
    assert quantiles | figures <= last.keys()
    assert [row["queue_age"] for row in rows(run)][:4] == [1, 1.25, 1.25, 1.25]  # 32 keys a step into 40 places
    probed = [row for row in rows(run) if "knn_leaf" in row]
    assert [row["step"] for row in probed] == list(range(2, last["step"] + 1, 2))
    assert all(row["feature_rank"] >= 1 and 0 <= row["knn_leaf"] <= 1 for row in probed)
    assert all(isinstance(value, int | float) for row in rows(run) for value in row.values())

    media = offline_run(run) / "files" / "media" / "images"
    views, neighbours = (list(media.glob(f"{name}_*.png")) for name in ("views", "neighbours"))
    assert len(views) == 1
    assert len(neighbours) == len(probed)
    for picture in (*views, *neighbours):
        assert cv2.imread(str(picture)).std() > 10
    config = yaml.safe_load((offline_run(run) / "files" / "config.yaml").read_text())
    assert config == yaml.safe_load((run / "config.yaml").read_text())

    log = wandb_log(run)
    for name in ("positive_similarity", "negative_similarity", "alignment", "knn_leaf", "queue_age", "weight_decay"):
        assert name.encode() in log

    page = (run / "report.html").read_text(encoding="utf-8")
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == ["Training", "Embedding", "kNN probe", "Views", "Neighbours"]
    assert all(link.startswith("data:") for link in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert 'class="warning"' not in page


def test_a_collapse_is_called_out_in_words_everywhere(
    framegate: Framegate, store: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    """Decay that takes every weight away leaves the projection head's bias, which is the same for all frames.

    Without the head nothing collapses: batch norm makes features of the smallest responses.
    """
    arguments = [f"data.store={store}", f"run_dir={tmp_path}", *TINY, "method.dim=128", "name=dead"]
    arguments += ["optim.name=adamw", "optim.lr=0.016", "optim.weight_decay=900"]  # 0.9 of each weight a step
    assert framegate("pretrain", "moco_small", *arguments) == 0
    errors = capfd.readouterr().err
    assert errors.count("warning: The embedding has collapsed to a point") == 1
    run = tmp_path / "dead"
    assert '<p class="warning">The embedding has collapsed' in (run / "report.html").read_text(encoding="utf-8")
    log = wandb_log(run)
    assert b"The embedding has collapsed to a point" in log


def test_programmes_are_told_apart_alone_and_beside_moco(framegate: Framegate, store: Path, tmp_path: Path) -> None:
    arguments = [f"data.store={store}", f"run_dir={tmp_path}", *TINY, "method.dim=128", "log.wandb_project=null"]
    alone = ["method.name=programme", "method.batch_norm=null", "name=alone"]
    assert framegate("pretrain", "moco_small", *arguments, *alone) == 0
    beside = ["method.programme.weight=0.5", "name=beside"]
    assert framegate("pretrain", "moco_small", *arguments, *beside) == 0
    assert "queue_age" not in rows(tmp_path / "alone")[-1]
    assert "negative_p50" in rows(tmp_path / "alone")[-1]
    assert rows(tmp_path / "beside")[-1]["queue_age"] == 1.25
    assert (tmp_path / "beside" / "backbone" / "config.json").exists()
    assert "Neighbours" in (tmp_path / "alone" / "report.html").read_text(encoding="utf-8")
