"""`import framegate`: quick, from anywhere, and every name that it offers is there."""

import ast
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

import framegate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", [ROOT, Path("/")], ids=["root", "elsewhere"])
def test_importing_framegate_loads_nothing_heavy_and_hides_no_standard_module(folder: Path) -> None:
    code = (
        "import sys, framegate\n"
        "assert not {'torch', 'numpy', 'av', 'cv2', 'pyarrow', 'typer'} & set(sys.modules), sorted(sys.modules)\n"
        "import ssl\n"
        "assert ssl.create_default_context()\n"
        "import framegate.ssl.schedule\n"
        "print(framegate.__file__, framegate.ssl.schedule.__file__)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    found = [Path(line).relative_to(ROOT).as_posix() for line in done.stdout.split()]
    assert found == ["framegate/__init__.py", "ssl/schedule.py"], done.stderr


def test_a_spawned_process_finds_the_package_without_an_init() -> None:
    code = (
        "import multiprocessing as mp\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from framegate.ssl.schedule import CosineSchedule\n"
        "with ProcessPoolExecutor(1, mp_context=mp.get_context('spawn')) as pool:\n"
        "    print(pool.submit(getattr, CosineSchedule, '__module__').result())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "framegate.ssl.schedule", done.stderr


def test_every_name_is_there_and_known_to_type_checkers() -> None:
    assert set(dir(framegate)) == set(framegate.__all__)
    offered = {name: getattr(framegate, name) for name in dir(framegate)}
    assert {"FrameStore", "MoCo", "GatedFusionClassifier", "audit", "extract", "probe"} <= offered.keys()
    tree = ast.parse(Path(framegate.__file__).read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for node in checked.body:
        assert isinstance(node, ast.ImportFrom)
        module = importlib.import_module(node.module or "")
        for alias in node.names:
            assert offered.pop(alias.asname or alias.name) is getattr(module, alias.name)
    assert offered == {"__version__": importlib.metadata.version("framegate")}
    with pytest.raises(AttributeError, match="no attribute 'Framestore'"):
        framegate.Framestore  # noqa: B018
