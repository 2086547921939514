"""Under ``python -OO`` docstrings and asserts are gone: all that framegate does goes on."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.runs import TINY

ROOT = Path(__file__).parents[2]
LAYERS = ("media", "augment", "ssl", "finetune", "recipes")


def optimised(*arguments: object) -> str:
    """What Python prints without docstrings and asserts; it must end well."""
    command = [sys.executable, "-OO", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


IMPORT_ALL = f"""
import importlib, pkgutil
for layer in {LAYERS}:
    folder = importlib.import_module(f"framegate.{{layer}}")
    for module in pkgutil.walk_packages(folder.__path__, f"{{folder.__name__}}."):
        print(importlib.import_module(module.name).__name__)
"""
PLAIN_LIBRARIES = """
import importlib._bootstrap_external as files
from importlib.util import cache_from_source
files.cache_from_source = lambda path, **_: cache_from_source(path, optimization="" if "site-packages" in path else 2)
"""
"""Other packages come from the bytecode that is there: compiling torch and its like anew takes half a minute."""


@pytest.mark.parametrize(
    "before", [PLAIN_LIBRARIES, pytest.param("", marks=pytest.mark.slow)], ids=["alone", "with all else"]
)
@pytest.mark.timeout(600)
def test_every_module_can_be_imported(before: str) -> None:
    imported = set(optimised("-B", "-c", before + IMPORT_ALL).split())
    assert {"framegate.media.store.frame_store", "framegate.ssl.methods.moco", "framegate.recipes.cli"} <= imported
    assert len(imported) >= sum(file.name != "__init__.py" for layer in LAYERS for file in (ROOT / layer).rglob("*.py"))


@pytest.mark.parametrize("layer", LAYERS)
def test_no_docstring_is_data(layer: str) -> None:
    for file in (ROOT / layer).rglob("*.py"):
        tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        read = [node for node in tree if isinstance(node, ast.Attribute | ast.Name) and "__doc__" in ast.unparse(node)]
        assert not read, f"{file}:{read[0].lineno} reads a docstring"


def test_every_verb_has_its_help() -> None:
    code = (
        "from framegate.recipes.cli import app, main\n"
        "for verb in app.registered_commands:\n"
        "    try: main([verb.callback.__name__, '--help'])\n"
        "    except SystemExit as leaving:\n"
        "        if leaving.code: raise"
    )
    assert optimised("-c", code).count("Example: framegate") >= 12


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_videos_to_predictions(corpus: Path, tmp_path: Path) -> None:
    def framegate(*arguments: object) -> str:
        return optimised("-m", "framegate.recipes.cli", *arguments)

    store, runs = tmp_path / "store", tmp_path / "runs"
    backbone, classifier = runs / "moco_small" / "backbone", runs / "fusion_small" / "classifier"
    given = (f"data.store={store}", f"run_dir={runs}")
    framegate("extract", corpus / "manifest.csv", "--out", store)
    framegate("pretrain", "moco_small", *given, *TINY)
    framegate(
        "audit", backbone, store, "--frames", 60, "--json", tmp_path / "audit.json", "--page", tmp_path / "a.html"
    )
    assert json.loads((tmp_path / "audit.json").read_text())["definition"].startswith("The score of a kind of overlay")
    tiny = ("optim.epochs=2", "optim.batch_size=8", "log.wandb_project=null", f"streams.frames.backbone={backbone}")
    framegate("finetune", "fusion_small", *given, *tiny)
    framegate("evaluate", classifier, store, "--json", tmp_path / "evaluation.json")
    assert json.loads((tmp_path / "evaluation.json").read_text())["n"] > 0
    framegate("predict", classifier, *sorted((corpus / "videos").glob("*.mp4"))[:2], "--out", tmp_path / "p.jsonl")
    assert len((tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    framegate("export", runs / "fusion_small", "--out", tmp_path / "onnx", "--format", "onnx")
