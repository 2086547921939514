"""Fenced blocks of Markdown pages, and what it takes to run them.

Three marks, HTML comments, tell what to do with a page or with the block that follows:

    <!-- needs: store runs/first -->    the page starts with these, made before
    <!-- file: my_recipe.yaml -->       the block is written to this file
    <!-- not run: needs eight GPUs -->  the block is not run, and why
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

RUN = {"sh", "python"}
SHOWN = {"text", "yaml", "json", ""}
"""Languages of blocks that are data or output, with nothing to run."""

TINY = {
    "pretrain": (
        *("backbone.image_size=32", "optim.epochs=1", "optim.batch_size=8", "method.queue=64", "data.workers=0"),
        *("data.frames_per_video=2", "log.wandb_project=null"),
    ),
    "finetune": (
        *("optim.epochs=1", "fusion.width=32", "data.frames=4", "data.audio_seconds=2", "data.workers=0"),
        "log.wandb_project=null",
    ),
    "audit": ("--frames", "60"),
}
"""What is added to a page's commands, so that they take seconds: sizes alone, nothing that a page is about."""

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>\S*)[^\n]*\n(?P<content>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL
)
_MARK = re.compile(r"<!-- (?P<kind>not run|file): (?P<value>[^\n]+?) -->\s*\Z")
_NEEDS = re.compile(r"<!-- needs: (.+?) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it is, what it holds, and its mark."""

    place: str
    line: int
    language: str
    content: str
    not_run: str | None = None
    file: str | None = None


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page in order; directives of the site's generator are none."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        language = found["language"]
        if language.startswith("{"):
            continue
        line = text.count("\n", 0, found.start()) + 2
        mark = _MARK.search(text[: found.start()])
        yield Block(
            place=f"{os.path.relpath(page, ROOT)}:{line}",
            line=line,
            language=language,
            content=found["content"],
            not_run=mark["value"] if mark and mark["kind"] == "not run" else None,
            file=mark["value"] if mark and mark["kind"] == "file" else None,
        )


def needs(page: Path) -> list[str]:
    """What the page wants to find, as paths in its folder."""
    return " ".join(_NEEDS.findall(page.read_text(encoding="utf-8"))).split()


def commands(script: str) -> Iterator[list[str]]:
    """The words of each line of a ``sh`` block, lines that end in a backslash joined."""
    for line in script.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def tiny(words: list[str]) -> list[str]:
    """The arguments of a ``framegate`` command, made small; see `TINY`."""
    _, verb, *rest = words
    added = list(TINY.get(verb, ()))
    if verb == "pretrain" and not any(word.startswith("backbone.name=") for word in rest):
        added.append("backbone.name=test_resnet")
    return [verb, *rest, *added]


def run_page(page: Path, framegate: Callable[..., int]) -> None:
    """Run a page's blocks in order in the current folder: its Python in one namespace, its commands in this process.

    Args:
        page: the Markdown file.
        framegate: runs the command line, and returns the exit code.

    Raises:
        AssertionError: a command fails, or is not one of framegate's and not marked.
    """
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.file is not None:
            Path(block.file).write_text(block.content, encoding="utf-8")
        elif block.not_run is None and block.language == "python":
            padded = "\n" * (block.line - 1) + block.content  # a traceback names the page's own lines
            exec(compile(padded, str(page), "exec"), namespace)
        elif block.not_run is None and block.language == "sh":
            for words in commands(block.content):
                assert words[0] == "framegate", f"{block.place}: mark it 'not run', or leave {words[0]!r} out"
                assert framegate(*tiny(words)) == 0, f"{block.place}: {shlex.join(words)}"
