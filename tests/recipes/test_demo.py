"""The demo on a small corpus: what it writes, and its page in a real browser."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.recipes.reports.demo_results import DemoResults
from framegate.recipes.training.training_run import StoppedError
from tests.recipes.runs import TINY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT_BROKEN = """<script>addEventListener("load", () => {
  const broken = [...document.images].filter(image => !image.complete || !image.naturalWidth);
  document.body.dataset.images = document.images.length;
  document.body.dataset.broken = broken.length;
})</script>"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from framegate.recipes.demo import run_demo

    out = tmp_path_factory.mktemp("demo") / "demo"
    run_demo(out, clips=64, seed=1)
    return out


def browse(page: Path, profile: Path) -> tuple[str, str]:
    """The page's DOM after loading, and what the browser had to say."""
    chromium = shutil.which("chromium")
    assert chromium, "this test needs Debian's chromium"
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    flags += " --disable-component-update --enable-logging=stderr --virtual-time-budget=5000 --dump-dom"
    command = [chromium, *flags.split(), f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr


def test_the_results_have_the_contracts_keys(demo: Path) -> None:
    results = json.loads((demo / "results.json").read_text())
    classifiers = {"frames", "audio", "text", "concat", "gated"}
    assert set(results["leaf"]) == classifiers
    assert set(results["levels"]) == {"1", "2", "3"}
    assert all(set(values) == classifiers for values in results["levels"].values())
    assert set(results["knn"]) == {"before", "after"}
    assert set(results["seconds"]) == {"corpus", "extract", "pretrain", "finetune", "evaluate"}
    assert results["peak_memory_mb"] > 100
    accuracies = [*results["leaf"].values(), *results["knn"].values()]
    accuracies += [value for values in results["levels"].values() for value in values.values()]
    assert all(0 <= value <= 1 for value in accuracies)


def test_the_page_opens_from_disk_without_errors_and_with_all_its_pictures(demo: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text((demo / "report.html").read_text(encoding="utf-8") + COUNT_BROKEN, encoding="utf-8")
    dom, errors = browse(page, tmp_path / "profile")
    found = re.search(r'data-images="(\d+)" data-broken="(\d+)"', dom)
    assert found, dom[:500]
    assert int(found[1]) >= 10
    assert int(found[2]) == 0
    assert "CONSOLE" not in errors, [line for line in errors.splitlines() if "CONSOLE" in line]


def test_a_broken_picture_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f'<body><img src="data:image/png;base64,AAAA">{COUNT_BROKEN}</body>', encoding="utf-8")
    dom, _ = browse(page, tmp_path / "profile")
    assert 'data-broken="1"' in dom


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    from framegate.media.owned import NotOursError
    from framegate.recipes.demo import run_demo

    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(NotOursError, match=r"holds precious\.txt, which no demo wrote"):
        run_demo(tmp_path, clips=64)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_all_that_the_demo_made_is_listed_for_the_next_one(demo: Path) -> None:
    from framegate.media.owned import first_foreign

    assert first_foreign(demo, kinds=("demo",)) is None


def test_the_tracker_kept_the_config_offline(demo: Path) -> None:
    for name in ("pretrain", "gated"):
        assert list((demo / "runs" / name / "wandb").glob("offline-run-*/*.wandb"))


def test_a_demo_that_a_signal_stops_says_that_it_starts_over(store: Path, tmp_path: Path) -> None:
    from framegate.recipes.demo import timed_stage

    options = [f"data.store={store}", f"run_dir={tmp_path / 'runs'}", *TINY, "optim.epochs=1000", "data.workers=0"]
    config = read_recipe(PretrainConfig, "moco_small", options)
    rows, ended = tmp_path / "runs" / config.name / "metrics.jsonl", threading.Event()

    def stop() -> None:
        while not ended.wait(0.05):
            if rows.is_file() and rows.stat().st_size > 0:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        with pytest.raises(StoppedError) as stopped, timed_stage(tmp_path, DemoResults(), "pretrain"):
            pretrain(config)
    finally:
        ended.set()
        thread.join()
    assert str(stopped.value) == (
        "the demo was stopped in its stage 'pretrain' by a signal, and cannot be continued; run again, it starts over"
    )
