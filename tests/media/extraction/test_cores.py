"""How many cores a process may use, where the system tells and where it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framegate.media.extraction.cores import usable_cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_cores_that_a_process_may_not_use_do_not_count() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from framegate.media.extraction.cores import usable_cores; print(usable_cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


def test_without_a_word_on_affinity_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_cores() == (os.cpu_count() or 1)


def test_in_our_packages_but_the_corpus_nobody_else_asks_the_system() -> None:
    root = Path(__file__).parents[3]
    asking = [
        str(file.relative_to(root))
        for part in ("media", "augment", "ssl", "finetune", "recipes")
        for file in (root / part).rglob("*.py")
        if file.parent.name != "corpus"  # which shares no code with the rest; see tests/recipes/corpus
        if any(word in file.read_text(encoding="utf-8") for word in ("sched_getaffinity", "cpu_count"))
    ]
    assert asking == ["media/extraction/cores.py"]
