"""Extraction from a script of the user's: its worker processes import the script."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.conftest import MakeVideo

SCRIPT = """
import sys
from pathlib import Path
from framegate.media import clips_from_files, extract

{guard}
    print(extract(clips_from_files([Path(sys.argv[1])]), Path(sys.argv[2]), workers=1).ok)
"""


def run(script: Path, guard: str, video: Path) -> subprocess.CompletedProcess[str]:
    script.write_text(SCRIPT.format(guard=guard))
    command = [sys.executable, script, video, script.parent / "store"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("guard", ["if True:", 'if __name__ == "__main__":'], ids=["unguarded", "guarded"])
def test_a_script_without_a_guard_is_told_so_once(guard: str, make_video: MakeVideo, tmp_path: Path) -> None:
    done = run(tmp_path / "script.py", guard, make_video())
    if guard == "if True:":
        assert done.returncode == 1
        assert 'under `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
        assert len(done.stderr.splitlines()) < 40, done.stderr
    else:
        assert done.stdout == "1\n", done.stderr
