"""What readers of media make of the files that people have: right, wrong, refused or crashed.

    python benchmarks/inputs.py [--quick] [--json FILE] [--page FILE.md]

Each kind of file in `shared/input_kinds.py` is made anew by the ffmpeg command line, Pillow or OpenCV, and given to
each reader as its documentation shows (`shared/input_readers.py`), in a process of its own: framegate, torchcodec,
PyAV's plain loop, OpenCV, decord. A reader is *right* where its pictures or its audio are what a person would see or
hear in a player; *wrong* where it gives others and says nothing; *refused* where it raises; *crashed* where its process
dies or runs longer than a minute; `-` where it does not offer that. `--page` writes the page of the documentation; a
reader that is not installed has no column there. A full run takes five minutes on two cores, --quick one.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import multiprocessing
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

from shared.input_kinds import KINDS
from shared.input_making import Kind
from shared.input_readers import READERS, NotOfferedError, load
from shared.machine import machine

SECONDS = 60
PACKAGES = {"framegate": "framegate", "torchcodec": "torchcodec", "PyAV's plain loop": "av", "decord": "decord"}
QUICK = 5
RIGHT, WRONG, REFUSED, CRASHED, NONE = "right", "wrong", "refused", "crashed", "-"

Table = dict[str, dict[str, str]]  # outcomes by kind and reader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="Markdown: the table, and how often each reader is right")
    parser.add_argument("--quick", action="store_true", help=f"the first {QUICK} kinds alone")
    parser.add_argument("--kinds", help="those alone whose names hold this")
    parser.add_argument("--try", nargs=2, metavar=("READER", "FILES"), dest="one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(outcomes(options.one[0], json.loads(options.one[1]))))
        return
    kinds = [kind for kind in KINDS if (options.kinds or "") in kind.name][: QUICK if options.quick else None]
    versions = {name: installed(name) for name in READERS}
    names = [name for name, version in versions.items() if version]
    with tempfile.TemporaryDirectory() as folder:
        files = {kind.name: str(made(kind, Path(folder) / str(number))) for number, kind in enumerate(kinds)}
        columns = {name: in_a_process(name, files) for name in names}
    table = {kind.name: {name: columns[name][kind.name] for name in names} for kind in kinds}
    print(f"{'':45}", *(f"{name:20}" for name in names))
    for kind, cells in table.items():
        print(f"{kind:45}", *(f"{cells[name]:20}" for name in names))
    if options.json:
        found = {"rows": rows(table, versions), "versions": versions, "machine": machine()}
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    if options.page:
        options.page.write_text(page(table, versions), encoding="utf-8")


def installed(reader: str) -> str | None:
    """Return the version of a reader's package; None if it is not installed."""
    try:
        if reader == "OpenCV":
            import cv2

            return str(cv2.__version__)
        return importlib.metadata.version(PACKAGES[reader])
    except (ImportError, importlib.metadata.PackageNotFoundError):
        return None


def made(kind: Kind, folder: Path) -> Path:
    folder.mkdir()
    return kind.make(folder)


def in_a_process(reader: str, files: dict[str, str]) -> dict[str, str]:
    """Give all files to a reader, alone in a process: the libraries of several readers might disturb each other."""
    command = [sys.executable, __file__, "--try", reader, json.dumps(files)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def outcomes(reader: str, files: dict[str, str]) -> dict[str, str]:
    """Return what a reader makes of each file, each in a fork of this process."""
    load(reader)
    forks = multiprocessing.get_context("fork")
    found: dict[str, str] = {}
    for kind in KINDS:
        if kind.name not in files:
            continue
        here, there = forks.Pipe(duplex=False)
        process = forks.Process(target=send_outcome, args=(there, reader, kind, files[kind.name]))
        process.start()
        there.close()
        try:
            found[kind.name] = here.recv() if here.poll(SECONDS) else CRASHED
        except EOFError:
            found[kind.name] = CRASHED
        process.kill()
        process.join()
    return found


def send_outcome(answer: Connection, reader: str, kind: Kind, path: str) -> None:
    answer.send(outcome(reader, kind, Path(path)))


def outcome(reader: str, kind: Kind, path: Path) -> str:
    """Read the file, and judge what comes."""
    pictures, audio = READERS[reader]
    try:
        if kind.times:
            seen = pictures(path, kind.times)
            return RIGHT if len(seen) == len(kind.times) and kind.right(seen) else WRONG
        heard = audio(path)
        return RIGHT if kind.right(heard) else WRONG
    except NotOfferedError:
        return NONE
    except Exception as error:
        print(f"{reader}, {kind.name}: {type(error).__name__}: {str(error)[:200]!r}", file=sys.stderr)
        return REFUSED


def rows(table: Table, versions: dict[str, str | None]) -> list[dict[str, object]]:
    """Return the table as rows of a benchmark: for each peer, how many kinds it has right; null if not installed."""
    ours = number_right(table, "framegate")
    counts = {name: number_right(table, name) if version else None for name, version in versions.items()}
    return [
        {
            "case": "kinds of file that are right",
            "ours": ours,
            "peer": count,
            "peer_name": name,
            "unit": f"of {len(table)}",
            "better": "higher",
            "ratio": ours / count if count else None,
            "target": None,
            "outcomes": {kind: cells.get(name) for kind, cells in table.items()},
        }
        for name, count in counts.items()
        if name != "framegate"
    ]


def number_right(table: Table, name: str) -> int:
    return sum(cells[name] == RIGHT for cells in table.values())


PAGE = """\
<!-- Written by `python benchmarks/inputs.py --page docs/guides/inputs/compared.md`: change it there. -->

# Compared with other readers

{count} kinds of files that people have, each made anew and given to framegate and to other readers of Python, called as
their documentation shows:

| outcome | meaning |
| --- | --- |
| right | the pictures, or the sound, are those that a person sees and hears in a player, at their times |
| **wrong** | others, and nothing says so |
| refused | an error |
| **crashed** | the process dies, or needs more than a minute |
| - | the reader does not offer this |

Pictures are asked for by seconds from the file's beginning, and what is transparent lies over one even grey. The other
readers are made for fewer kinds of files, so many of their errors are no fault: what counts are the silent ones. The
kinds were chosen by framegate's authors, from what users of all these readers report, and framegate was mended where it
was wrong.

{table}

Written by `benchmarks/inputs.py` on {date}: {versions};
Python {python}; files made by {ffmpeg}. Run it on your machine: `pip install -e .[bench]`, and FFmpeg.
"""


def page(table: Table, versions: dict[str, str | None]) -> str:
    """Return the page of the documentation."""
    names = [name for name, version in versions.items() if version]
    shown = {RIGHT: RIGHT, WRONG: f"**{WRONG}**", REFUSED: REFUSED, CRASHED: f"**{CRASHED}**", NONE: NONE}
    lines = [
        f"| kind of file | {' | '.join(names)} |",
        "| --- " * (1 + len(names)) + "|",
        *(f"| {kind} | {' | '.join(shown[cells[name]] for name in names)} |" for kind, cells in table.items()),
        f"| right, of {len(table)} | {' | '.join(str(number_right(table, name)) for name in names)} |",
    ]
    told = subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True, text=True).stdout.split()  # noqa: S607
    return PAGE.format(
        count=len(table),
        table="\n".join(lines),
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        versions=", ".join(f"{PACKAGES.get(name, name)} {versions[name]}" for name in names),
        python=machine()["python"],
        ffmpeg=f"FFmpeg {told[2].partition('-')[0]}",
    )


if __name__ == "__main__":
    main()
