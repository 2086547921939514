"""Data workers hand over batches through a socket in the temporary folder, whose path may be too long for one."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_FILLING = "x" * 200

_BIND = "from multiprocessing.connection import Listener; Listener(family='AF_UNIX')"
_ASK = "from framegate.ssl.data.data_workers import usable_workers; print(usable_workers({}))"


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # TMPDIR itself may be long
        yield Path(folder)


def python(code: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python itself leaves a TMPDIR that is too long")
def test_workers_are_refused_exactly_where_a_socket_cannot_be_made(short: Path) -> None:
    longest = 107 - len("/pymp-12345678/listener-12345678")
    fits = short / _FILLING[: longest - len(str(short)) - 1]
    exceeds = fits.with_name(fits.name + "x")
    assert python(_BIND, folder=fits).returncode == 0
    assert "path too long" in python(_BIND, folder=exceeds).stderr
    assert python(_ASK.format(2), folder=fits).stdout == "2\n"
    refused = python(_ASK.format(2), folder=exceeds)
    assert "1 bytes too long for data workers: set TMPDIR" in refused.stderr


def test_no_workers_need_no_socket(short: Path) -> None:
    assert python(_ASK.format(0), folder=short / _FILLING).stdout == "0\n"
