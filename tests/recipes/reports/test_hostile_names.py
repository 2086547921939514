"""Names of strangers in a terminal, in a card and in a spreadsheet: shown, never obeyed."""

import json
import logging
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.reports.cards import backbone_card, with_usage
from framegate.recipes.reports.csv_cell import text_cell
from framegate.recipes.reports.results import Result, give, table
from framegate.recipes.training.progress import WorkProgress

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


def is_plain(text: str) -> bool:
    return not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c in "\u202e\u2028\U000e0041" for c in text)


def test_a_rows_escapes_are_shown_in_its_error(framegate, tmp_path: Path, capsys) -> None:
    row = {"id": "a", "title": "t", f"x{ESCAPES}": ["y", ["z"]]}
    (tmp_path / f"clips{ESCAPES}.jsonl").write_text(json.dumps(row, ensure_ascii=False))
    assert framegate("extract", tmp_path / f"clips{ESCAPES}.jsonl", "--out", tmp_path / "store") == 2
    errors = capsys.readouterr().err
    assert is_plain(errors)
    assert r"\u202e" in errors


@pytest.mark.parametrize("verb", ["extract", "predict", "probe", "pretrain", "evaluate", "export", "views", "--none"])
@pytest.mark.parametrize("debug", [False, True])
def test_no_verb_writes_a_names_escapes_or_line_breaks_to_the_terminal(
    verb: str, debug: bool, framegate, tmp_path: Path, capsys
) -> None:
    name = tmp_path / f"a{ESCAPES}\nframegate: all is well"
    more = {"probe": [name], "evaluate": [name], "extract": ["--out", name], "export": ["--out", name / "x"]}
    more["views"] = ["--out", name]
    arguments = [verb + ESCAPES] if verb == "--none" else [verb, name, *more.get(verb, [])]
    assert framegate(*(["--debug"] if debug else []), *arguments) in (1, 2)
    errors = capsys.readouterr().err
    assert is_plain(errors)
    assert debug or "framegate: all is well" not in errors.splitlines()


def test_a_foreign_error_is_one_plain_line(framegate, monkeypatch, capsys) -> None:
    import framegate.recipes.commands.data.doctor as doctor

    def fail(path: Path) -> None:
        raise RuntimeError(f"first{ESCAPES}\nframegate: all is well\n" + "x" * 10_000)

    monkeypatch.setattr(doctor, "examine", fail)
    assert framegate("doctor") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert is_plain(line)
    assert line.startswith("framegate: RuntimeError: first\\x1b")
    assert line.endswith("… (--debug shows where)")
    assert len(line) < 700


def test_warnings_of_the_libraries_show_escapes(framegate, capfd) -> None:
    framegate("doctor")
    record = logging.LogRecord("framegate.ssl", logging.WARNING, "f", 1, "%s: left out", (f"w{ESCAPES}\nx",), None)
    assert logging.lastResort.format(record) == r"w\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\nx: left out"


def test_what_a_verb_prints_shows_escapes_and_its_json_keeps_the_names(tmp_path: Path, capsys) -> None:
    text = table(["name", "n"], [[f"a{ESCAPES}\nb", "1"]])
    give(Result({"name": f"a{ESCAPES}"}, f"{text}\n{ESCAPES}"), tmp_path / "out.json")
    printed = capsys.readouterr().out
    assert is_plain(printed)
    assert len(printed.splitlines()) == 4
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["name"] == f"a{ESCAPES}"


def test_a_progress_line_shows_escapes_and_keeps_brackets(capsys, monkeypatch) -> None:
    title = f"[red]x[/red][/none]{ESCAPES}\ny"
    with WorkProgress(title, total=1) as progress:
        progress.update(1, f"[b]{ESCAPES}")
    line = capsys.readouterr().err
    assert line.startswith("[red]x[/red][/none]")
    assert is_plain(line)
    assert len(line.splitlines()) == 1


def test_a_progress_bar_shows_escapes_and_keeps_brackets() -> None:
    """On a terminal, where `rich` draws it."""
    code = (
        "from framegate.recipes.training.progress import WorkProgress\n"
        f"with WorkProgress('[red]x[/red][/none]' + {ESCAPES!r}, total=1) as progress:\n"
        f"    progress.update(1, '[b]' + {ESCAPES!r})\n"
    )
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=theirs, timeout=60, env={**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0, shown
    assert "[red]x[/red][/none]\\x1b]0;owned\\x07" in shown
    assert "[b]\\x1b]0;owned" in shown
    assert "\x1b]0" not in shown
    assert "\u202e" not in shown


def test_a_card_shows_escapes_and_says_how_to_open_the_folder() -> None:
    config = read_recipe(
        PretrainConfig,
        "moco_small",
        [
            'backbone.name="a\\nb\u202e"',
            'data.store="\u202e"',
        ],
    )
    card = backbone_card(config, [])
    assert is_plain(card)
    assert "A `a\\nb\\u202e` frame backbone" in card
    assert with_usage(card, "import x\\1").count("import x\\1\n") == 1
    assert "timm.create_model" not in with_usage(card, "import x")
    assert with_usage("```python\nimport mine\n```\n", "x").startswith("```python\nimport mine\n```\n")
    assert with_usage("no block", "x") == "no block\n```python\nx\n```\n"
    assert with_usage("```python\nopen", "x") == "```python\nopen\n```python\nx\n```\n"


def least_seconds(work: Callable[[], object]) -> float:
    def once() -> float:
        before = time.process_time()
        work()
        return time.process_time() - before

    return min(once() for _ in range(3))


def test_a_card_full_of_open_blocks_takes_time_in_proportion_to_its_length() -> None:
    def seconds(blocks: int) -> float:
        return least_seconds(lambda: with_usage("```python\nx" * blocks, "x"))

    assert seconds(4000) < 20 * max(seconds(500), 1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\t1",
        "\r1",
        "\n1",
        " =1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "\x00=1",
        "﹣1",
    ],
)
def test_a_name_never_begins_a_formula(text: str) -> None:
    assert text_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "news", "a=b", "1-2", " a", "Überschrift", "'=1", "日本", "_-"])
def test_other_names_stay_as_they_are(text: str) -> None:
    assert text_cell(text) == text
