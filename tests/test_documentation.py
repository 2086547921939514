"""What pages, docstrings and comments name is there: files, modules, verbs and their options, recipe keys, targets."""

import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator, Set
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from pydantic import BaseModel

import framegate
from framegate.recipes.cli import app
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.ssl.methods.registry import MethodSettings

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "docs", "examples", "framegate", "media", "augment", "ssl", "finetune", "recipes")
PAGES = [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
SOURCES = [file for folder in FOLDERS for kind in ("*.py", "*.yaml") for file in (ROOT / folder).rglob(kind)]
BARE_NAMES = {file.name for file in SOURCES}

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
VERBS = {
    name: {"--help"}.union(*((*parameter.opts, *parameter.secondary_opts) for parameter in command.params))
    for name, command in COMMANDS.items()
}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_lines(text: str) -> Iterator[str]:
    """Each line of a block of code, and each span of code within the text, on one line, broken ones joined."""
    text = re.sub(r"\\\n\s*", " ", text)
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```\w*\n(.*?)^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in (*blocks, *re.findall(r"^ {4}\S.*$", rest, re.MULTILINE)):
        yield from map(str.strip, block.splitlines())
    for span in re.findall(r"`([^`]+)`", rest):
        yield " ".join(span.split())


def described(source: str) -> Iterator[str]:
    """The commands that a docstring, a help text or a comment shows."""
    yield from re.findall(r"`(framegate [^`\n]+)`|Example: (framegate [^\"\n]+)\"|^ {4}(framegate .+)$", source, re.M)
    yield from re.findall(r"^#(?:[^:\n]*:)?\s+()()((?:framegate|accelerate launch) .+)$", source, re.MULTILINE)


def is_there(name: str, page: Path) -> bool:
    return (ROOT / name).exists() or (page.parent / name).exists() or name in BARE_NAMES


def script_options(script: str) -> set[str]:
    return set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', (ROOT / script).read_text(encoding="utf-8")))


def check_command(line: str, *, elsewhere: Set[str] = frozenset()) -> None:
    """A command of ours that is written down can be typed: its verb and options exist."""
    if line.startswith("python ") and (script := line.split()[1]).endswith(".py"):
        known = script_options(script)
    elif (match := re.match(r"framegate (\w+)\b", line)) and match[1] != "VERB":
        assert match[1] in VERBS, line
        known = VERBS[match[1]]
    elif line.startswith("accelerate launch "):
        module = line.partition(" -m ")[2].split()[0]
        assert importlib.util.find_spec(module), line
        return
    else:
        known = set(elsewhere).union(*VERBS.values()) if line.startswith("--") else set()
    options = [word.partition("=")[0] for word in shlex.split(line, comments=True) if word.startswith("--")]
    assert not known or set(options) <= known, line


def keys(section: Any, prefix: str = "") -> Iterator[str]:
    """All dotted keys of a recipe, those of its sections included."""
    if section is MethodSettings:
        for method in section.variants():
            yield from keys(method, prefix)
    elif isinstance(section, type) and (issubclass(section, BaseModel) or is_dataclass(section)):
        for name, kind in get_type_hints(section).items():
            yield prefix + name
            yield from keys(kind, f"{prefix}{name}.")
    for kind in get_args(section):
        yield from keys(kind, prefix)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = set(re.findall(r"[\w./-]*\w\.(?:py|sh|md|toml|ipynb|png|svg)\b", text))
    names |= {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}
    names |= {line for line in code_lines(text) if re.fullmatch(r"[\w.]+(/[\w.]+)*/", line)}
    assert not {name for name in names if not is_there(name, page)}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_that_a_page_names_can_be_typed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known: set[str] = {*keys(PretrainConfig), *keys(FinetuneConfig)}
    of_scripts = set().union(*map(script_options, re.findall(r"benchmarks/\w+\.py", text)))
    for line in code_lines(text):
        check_command(line, elsewhere=of_scripts)
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE), line
        for key in re.findall(r"(?<![\w/.])((?:\w+\.)*\w+)=", line) if "(" not in line else ():
            assert key in known or key.isupper() or "--" in line, line
        if re.fullmatch(r"(data|views|method|optim|compute|log|checkpoint|streams|fusion|head|loss)\.[\w.]+", line):
            assert line in known, line


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_names_that_a_page_imports_are_there(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("framegate"):
                module: Any = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "framegate":
                assert hasattr(framegate, node.attr), ast.unparse(node)


def test_scripts_and_commands_that_the_sources_name_are_there() -> None:
    for file in SOURCES:
        text = file.read_text(encoding="utf-8")
        for name in re.findall(r"(?<![\w/.{])\w[\w/-]*\.(?:py|sh)\b", text):
            assert is_there(name, file), f"{named(file)}: {name}"
        for found in described(text):
            check_command("".join(found).strip())
        for module in re.findall(r"-m (framegate\.[\w.]+\w)", text):
            assert importlib.util.find_spec(module), f"{named(file)}: {module}"
