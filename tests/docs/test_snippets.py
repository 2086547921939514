"""Every command and every line of Python in the pages works, on a small corpus."""

import runpy
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot
import pytest

from tests.docs.snippets import PAGES, ROOT, RUN, SHOWN, blocks, needs, run_page

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
RUNNABLE = [page for page in PAGES if any(block.language in RUN and block.not_run is None for block in blocks(page))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_what_a_page_says_works(page: Path, framegate: Callable[..., int], prepared: Callable[..., Path]) -> None:
    prepared(*needs(page))
    run_page(page, framegate)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", EXAMPLES, ids=name_of)
def test_an_example_runs(script: Path, prepared: Callable[..., Path]) -> None:
    prepared("store", "runs/first")
    runpy.run_path(str(script), run_name="__main__")
    matplotlib.pyplot.close("all")


def test_there_are_pages_and_examples_to_run() -> None:
    assert len(RUNNABLE) >= 10
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_is_run_or_shown_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        assert block.language in RUN | SHOWN, f"{block.place}: what is {block.language!r}?"
        assert block.not_run is None or len(block.not_run) > 10, f"{block.place}: say why it is not run"


@pytest.mark.parametrize(
    "broken",
    [
        "```sh\nframegate extract no_such.csv --out store\n```\n",
        "```sh\nrm -r store\n```\n",
        "```python\nfrom framegate.media import NoSuchName\n```\n",
    ],
)
def test_a_broken_block_is_noticed(
    broken: str, framegate: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.md").write_text(f"# A page\n\n{broken}", encoding="utf-8")
    with pytest.raises((AssertionError, ImportError)):
        run_page(Path("page.md"), framegate)
