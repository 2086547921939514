"""Commands in processes of their own, from each of which it is known what it took, wrote and called."""

import hashlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
KILLED_AFTER = 120  # seconds


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: exit code; negative: of which signal it died.
        errors: the end of its stderr.
        seconds: how long it took by the clock, without the imports of the process that it was forked from.
        cpu_seconds: how long it and its ended processes kept the processor, likewise.
        megabytes: the most memory that one of its processes held.
    """

    code: int
    errors: str
    seconds: float
    cpu_seconds: float
    megabytes: float


class Sandbox:
    """Runs `framegate` commands, each in a fork of a process that has imported everything once.

    The environment sends whatever asks the network, by Hugging Face's client or any other, to `listener`.

    Args:
        home: the commands' home and working directory.
        listener: its address, ``http://127.0.0.1:PORT``.
    """

    def __init__(self, home: Path, *, listener: str) -> None:
        code = "from tests.recipes.hostile.sandbox import serve; serve()"
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "HF_ENDPOINT"), listener)
        hidden = ("WANDB_API_KEY", "HF_TOKEN", "NO_PROXY", "no_proxy", "HF_HUB_OFFLINE")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(home)],
            cwd=ROOT,
            env=environment | proxies | {"PYTHONPATH": str(ROOT), "HF_HUB_DOWNLOAD_TIMEOUT": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object) -> Outcome:
        """Run ``framegate ARGUMENTS``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def serve() -> None:
    """Read commands from stdin, a JSON list a line, and answer each with an `Outcome`."""
    import torch

    torch.set_num_threads(1)
    os.chdir(sys.argv[1])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(vars(_run_forked(json.loads(line)))) + "\n")
        sys.stdout.flush()


def _run_forked(arguments: Sequence[str]) -> Outcome:
    reading, writing = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if not child:
        os.close(reading)
        _be_command(arguments, writing)
    os.close(writing)
    ended = threading.Event()
    killer = threading.Thread(target=lambda: ended.wait(KILLED_AFTER) or os.killpg(child, signal.SIGKILL))
    killer.start()
    with os.fdopen(reading, "rb") as pipe:
        errors = pipe.read().decode(errors="replace")
    _, status, used = os.wait4(child, 0)
    seconds = time.monotonic() - start
    ended.set()
    killer.join()
    return Outcome(
        code=os.waitstatus_to_exitcode(status),
        errors=errors[-5000:],
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        megabytes=used.ru_maxrss / 1024,
    )


def _be_command(arguments: Sequence[str], stderr: int) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(stderr, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))  # so that a bomb ends this process, not the machine
    code = 1
    try:
        from framegate.recipes.cli import main

        main(list(arguments))
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """An HTTP server's place on the loopback interface: its address, and the first line of all that called it."""
    calls: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(1)
                try:
                    calls.append(connection.recv(2000).split(b"\r\n")[0].decode(errors="replace"))
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                except OSError:
                    calls.append("a connection")

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", calls
    finally:
        over.set()
        thread.join()
        server.close()


def is_crowded() -> bool:
    """Whether more than two processes want each processor: then the clock tells more of the others than of a command.

    Beside one or two others, every command of the corpus takes under 10 s by the clock.
    """
    return os.getloadavg()[0] > 2 * len(os.sched_getaffinity(0))


def snapshot(folder: Path, *, without: Path | None = None) -> dict[str, Any]:
    """What lies in a folder: of files a digest of their bytes, of links their aim; but for ``without``."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if without is not None and path.is_relative_to(without):
            continue
        if path.is_symlink():
            found[str(path)] = str(path.readlink())
        elif path.is_file():
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[str(path)] = "folder"
    return found


def wait_a_moment() -> None:
    """Give what was called time to be heard."""
    time.sleep(0.2)
