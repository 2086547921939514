"""The rules of the house: which folder may import which, the name `ssl`, and a wheel that works elsewhere."""

import ast
import graphlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("media", "augment", "ssl", "finetune", "recipes")
LAUNCHING = {"accelerate", "wandb", "typer"}


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_one_way(layer: str) -> None:
    above = {f"framegate.{name}" for name in LAYERS[LAYERS.index(layer) + 1 :]}
    for file in (ROOT / layer).rglob("*.py"):
        wrong = {name for name in imports(file) if any(f"{name}.".startswith(f"{upper}.") for upper in above)}
        assert not wrong, f"{file} imports {wrong}"
        assert "framegate" not in imports(file), f"{file} comes in by the front door, which leads to every layer"


@pytest.mark.parametrize("layer", LAYERS[:-1])
def test_libraries_know_nothing_of_launching_and_tracking(layer: str) -> None:
    for file in (ROOT / layer).rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(file)}
        assert not roots & LAUNCHING, f"{file} imports {roots & LAUNCHING}"


def modules() -> dict[str, Path]:
    """Every module of framegate by its dotted name; a package by the name of its folder."""
    found = {}
    for layer in LAYERS:
        for file in (ROOT / layer).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(("framegate", *parts[: -1 if parts[-1] == "__init__" else None]))] = file
    return found


def imported_modules() -> dict[str, set[str]]:
    """Which of our modules each of them imports, inside functions too."""
    known = modules()
    edges = {}
    for module, file in known.items():
        names: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in known else str(node.module) for name in whole}
        edges[module] = {name for name in names if name in known and name != module}
    return edges


def room(module: str) -> str:
    """The folder within its package in which a module lies; a module at the top of its package is a room of its own."""
    file = modules()[module].relative_to(ROOT)
    return str(file) if len(file.parts) == 2 else str(file.parent)


def circles(edges: dict[str, set[str]]) -> list[str]:
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_import_leads_back_to_where_it_came_from() -> None:
    assert circles(imported_modules()) == []


def test_no_room_imports_a_room_that_imports_it() -> None:
    names = {module: room(module) for module in modules()}
    rooms: dict[str, set[str]] = {}
    for module, imported in imported_modules().items():
        rooms.setdefault(names[module], set()).update(names[name] for name in imported)
    assert circles({name: others - {name} for name, others in rooms.items()}) == []


FLOORS = (
    ("config", "corpus", "terminal.py"),
    ("training",),
    ("pretraining", "finetuning"),
    ("reports",),
    ("arguments.py", "program.py"),
    ("pretrain.py", "finetune.py"),
    ("commands",),
    ("demo.py",),
    ("cli.py",),
)
"""The floors of recipes/: each imports from its own and from those above it in this list."""


def test_recipes_import_downwards() -> None:
    names = {
        module: modules()[module].relative_to(ROOT / "recipes").parts[0]
        for module in modules()
        if ".recipes." in module
    }
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    for module, imported in imported_modules().items():
        for name in imported:
            if module in names and name in names:
                assert floor[names[name]] <= floor[names[module]], f"{module} imports {name}"


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    entries: dict[Path, set[str]] = {}
    for name in listed.stdout.splitlines():
        path = Path(name)
        for parent in path.parents:
            entries.setdefault(parent, set()).add(path.relative_to(parent).parts[0])
    data = {Path("benchmarks/quality_study/measured/quality_rows"), Path("tests/data")}
    for folder, names in entries.items():
        if folder.parts and folder.parts[0] in (*LAYERS, "tests", "benchmarks") and folder not in data:
            assert len(names) <= (20 if folder == Path("recipes") else 16), f"{folder}: {sorted(names)}"


def test_the_corpus_draws_its_overlays_without_augment() -> None:
    for file in (ROOT / "recipes" / "corpus").rglob("*.py"):
        assert not any(name.startswith("framegate.augment") for name in imports(file)), file


def test_python_in_the_root_imports_the_standard_ssl() -> None:
    assert not (ROOT / "ssl" / "__init__.py").exists()
    code = "import ssl; print(ssl.create_default_context().__class__.__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "SSLContext", done.stderr


def test_help_answers_without_heavy_packages() -> None:
    code = (
        "import sys\nfrom framegate.recipes.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print('HEAVY', sorted({'torch', 'timm', 'transformers', 'av', 'wandb', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
    assert "pretrain" in done.stdout


def test_importing_the_libraries_opens_no_connection() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): sys.stderr.write('CONNECTED'); raise OSError('no network here')\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "import framegate.media, framegate.augment, framegate.ssl.methods.moco, framegate.ssl.probes.probe\n"
        "import framegate.finetune.classifier, framegate.recipes.pretrain, framegate.recipes.finetune\n"
        "import time; time.sleep(0.5)\n"
        "print('IMPORTED')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "IMPORTED" in done.stdout, done.stderr
    assert "CONNECTED" not in done.stderr, done.stderr


def test_the_wheel_works_outside_the_repository(tmp_path: Path) -> None:
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():  # building in place would leave its traces there
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, timeout=120, capture_output=True)
    (wheel,) = tmp_path.glob("framegate-*.whl")
    site = tmp_path / "site"
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True, timeout=120
    )

    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import ssl, framegate, framegate.media, framegate.ssl.schedule, framegate.recipes\n"
        "from framegate.recipes.config.recipe import find_recipe\n"
        "typed = framegate.ssl.schedule.__file__.replace('schedule.py', 'py.typed')\n"
        "assert framegate.FrameStore is framegate.media.FrameStore and framegate.__version__\n"
        "print(framegate.__file__, framegate.media.__file__, find_recipe('moco_small'), typed, sep='\\n')"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert line.startswith(str(site)), line
        assert Path(line).is_file(), line
