"""A training on several processes of one machine is nobody else's business."""

import ipaddress
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests.recipes.runs import checkpoints, ended, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def listening(pid: int) -> set[str]:
    """The addresses on which a process and all that it started listen just now."""
    addresses = set()
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return set()
    for process in tree:
        try:
            sockets = process.net_connections(kind="inet")
        except psutil.Error:  # it has just ended
            continue
        addresses |= {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    return addresses


def test_the_processes_of_a_training_listen_to_this_machine_alone(store: Path, tmp_path: Path) -> None:
    heard: set[str] = set()
    modes: set[int] = set()
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:  # of a path that sockets fit in
        process = start(store, tmp_path, "--processes", 2, TMPDIR=temporary)
        while process.poll() is None:
            heard |= listening(process.pid)
            modes |= {each.stat().st_mode & 0o777 for each in Path(temporary).glob("framegate-*") if each.exists()}
            time.sleep(0.1)
        ended(process)
        assert not list(Path(temporary).glob("framegate-*"))
    assert checkpoints(tmp_path)
    assert heard, "they talk by sockets"
    assert {address for address in heard if not ipaddress.ip_address(address).is_loopback} == set()
    assert modes == {0o700}
