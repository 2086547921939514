"""Opening a frame store and reading it at random, beside plain files and WebDataset: 10 thousand to 10 million frames.

    python benchmarks/store.py [--quick] [--json FILE] [--keep DIR]

Opening, resident memory and random reads are measured in processes of their own; a read takes all bytes of the picture.
What it costs depends on where the bytes are, so there are three rows: ``again`` (pages that this process has touched
before), ``first touch`` (in the page cache, new to the process: what a page fault costs), and ``from disk`` (the files
put out of the page cache; without a limit, since it is the disk that is measured). Plain files and WebDataset are
measured at up to a hundred thousand frames, read again; WebDataset, which cannot read at random, in order.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from framegate.media.store.frame_index import write_indexes
from framegate.media.store.schema import AUDIO, FRAMES, VIDEOS, audio_shard, frames_shard

FRAMES_A_VIDEO = 100
SHARD_FRAMES = 1_000_000
BATCH = 10_000
READS = 20_000
PEER_LIMIT = 100_000

OPENING = """
import sys, time, psutil
began = time.perf_counter()
from framegate.media.store.frame_store import FrameStore
imported = time.perf_counter()
store = FrameStore(sys.argv[1])
frames = len(store)
opened = time.perf_counter()
print(opened - imported, psutil.Process().memory_info().rss / 2**20, frames)
"""

READING = """
import os, random, sys, time
from pathlib import Path
from framegate.media.store.frame_store import FrameStore
path, reads, from_disk = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "disk"
for file in path.iterdir():
    descriptor = os.open(file, os.O_RDONLY)
    if from_disk:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    else:
        while os.read(descriptor, 1 << 24):
            pass
    os.close(descriptor)
store = FrameStore(path)
numbers = random.Random(0).choices(range(len(store)), k=reads)
for _ in range(2):
    began = time.perf_counter()
    for number in numbers:
        bytes(store.frame(number).jpeg)
    print((time.perf_counter() - began) / reads * 1e6)
"""


def small_jpegs() -> list[bytes]:
    """Different pictures, some hundred bytes each."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 8, 8, 3), dtype=np.uint8)
    return [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1].tobytes() for picture in noise]


def write_store(store: Path, frames: int, jpegs: list[bytes]) -> None:
    """A store as `extract` leaves it, of synthetic frames."""
    store.mkdir()
    videos = max(1, frames // FRAMES_A_VIDEO)
    names = [f"v{number:07d}" for number in range(videos)]
    for shard in range(-(-frames // SHARD_FRAMES)):
        with pa.ipc.new_stream(str(frames_shard(store, shard)), FRAMES) as out:
            for first in range(shard * SHARD_FRAMES, min(frames, (shard + 1) * SHARD_FRAMES), BATCH):
                out.write_batch(_frames(first, min(BATCH, frames - first), names, jpegs))
        with pa.ipc.new_stream(str(audio_shard(store, shard)), AUDIO):
            pass
    facts: dict[str, Any] = {"id": names, "source": [f"/videos/{name}.mp4" for name in names]}
    facts |= {name: ["x"] * videos for name in ("programme", "label", "split", "title", "description", "status")}
    facts |= {"duration": [100.0] * videos, "frames": [FRAMES_A_VIDEO] * videos}
    facts |= {"asked_frames": facts["frames"], "has_audio": [False] * videos}
    facts |= {"borders": [[0.0, 0.0, 1.0, 1.0]] * videos, "logos": [[]] * videos, "subtitles": [[]] * videos}
    table = pa.table([pa.array(facts[name], VIDEOS.field(name).type) for name in VIDEOS.names], schema=VIDEOS)
    with pa.ipc.new_stream(str(store / "videos.arrow"), VIDEOS) as out:
        out.write_table(table)
    write_indexes(store, table)


def _frames(first: int, count: int, names: list[str], jpegs: list[bytes]) -> pa.RecordBatch:
    numbers = np.arange(first, first + count)
    ids = [names[number // FRAMES_A_VIDEO] for number in numbers]
    columns = [pa.array(ids), pa.array([f"/videos/{name}.mp4" for name in ids]), pa.array(numbers % 100 * 1.0)]
    columns += [pa.array(np.zeros(count, np.int32)), pa.array([jpegs[number % len(jpegs)] for number in numbers])]
    columns += [pa.array(np.full(count, 8, np.int32))] * 2
    return pa.record_batch(columns, schema=FRAMES)


def opening(store: Path) -> tuple[float, float]:
    """Seconds to open, and resident megabytes of the process then: the median of three processes."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", OPENING, store], capture_output=True, check=True, text=True
        ).stdout.split()
        for _ in range(3)
    ]
    return statistics.median(float(run[0]) for run in runs), statistics.median(float(run[1]) for run in runs)


def random_reads(store: Path, *, from_disk: bool) -> tuple[float, float]:
    """Microseconds of a random read in a new process: at first touch, and again."""
    command = [sys.executable, "-c", READING, store, str(READS), "disk" if from_disk else "cache"]
    first, again = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return float(first), float(again)


def microseconds_a_read(read: Callable[[int], Any], numbers: list[int]) -> float:
    """The median over ten runs of the time of a read, of files in the page cache."""
    for number in numbers:
        read(number)
    tenth = len(numbers) // 10
    taken = []
    for start in range(0, tenth * 10, tenth):
        began = time.perf_counter()
        for number in numbers[start : start + tenth]:
            read(number)
        taken.append((time.perf_counter() - began) / tenth * 1e6)
    return statistics.median(taken)


def plain_files(folder: Path, frames: int, jpegs: list[bytes]) -> Callable[[int], bytes]:
    for number in range(frames):
        path = folder / f"{number // 1000:05d}" / f"{number:08d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpegs[number % len(jpegs)])
    return lambda number: (folder / f"{number // 1000:05d}" / f"{number:08d}.jpg").read_bytes()


def webdataset_reads(folder: Path, frames: int, jpegs: list[bytes]) -> Iterator[Any] | None:
    """Samples of a WebDataset in order; None if it is not installed."""
    try:
        import webdataset
    except ImportError:
        return None
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for number in range(frames):
            entry = tarfile.TarInfo(f"{number:08d}.jpg")
            entry.size = len(jpegs[number % len(jpegs)])
            tar.addfile(entry, BytesIO(jpegs[number % len(jpegs)]))
    return iter(webdataset.WebDataset(str(folder / "00000.tar"), shardshuffle=False))


def row(
    case: str, ours: float, peer: float | None, name: str, unit: str, target: float | None = None
) -> dict[str, Any]:
    ratio = None if peer is None else ours / peer
    beside = f"{name} {peer:.2f} {unit}, ratio {ratio:.3f}" if ratio is not None else name
    print(f"{case:32} ours {ours:10.3f} {unit:3} {beside}" + (f" (target {target:g})" if target else ""), flush=True)
    values = {"case": case, "ours": ours, "peer": peer, "peer_name": name, "unit": unit, "better": "lower"}
    return values | {"ratio": ratio, "target": target}


def rows_of(frames: int, folder: Path, jpegs: list[bytes]) -> list[dict[str, Any]]:
    if not (folder / f"{frames}").exists():
        write_store(folder / f"{frames}", frames, jpegs)
    seconds, megabytes = opening(folder / f"{frames}")
    disk, _ = random_reads(folder / f"{frames}", from_disk=True)
    first, ours = random_reads(folder / f"{frames}", from_disk=False)
    numbers = random.Random(0).choices(range(frames), k=READS)
    rows = [
        row(f"open {frames}", seconds, None, "(limit)", "s", target=1.0),
        row(f"resident memory {frames}", megabytes, None, "(limit)", "MB", target=300.0),
        row(f"random read, again {frames}", ours, None, "(limit)", "us", target=30.0),
        row(f"random read, first touch {frames}", first, None, "(limit)", "us", target=30.0),
        row(f"random read, from disk {frames}", disk, None, "(no limit: the disk's own)", "us"),
    ]
    if frames <= PEER_LIMIT:
        files = plain_files(folder / f"files-{frames}", frames, jpegs)
        rows.append(row(f"random read, again {frames}", ours, microseconds_a_read(files, numbers), "plain files", "us"))
        samples = webdataset_reads(folder / f"tar-{frames}", frames, jpegs)
        in_order = numbers[: min(READS, frames) // 2]
        peer = None if samples is None else microseconds_a_read(lambda _: next(samples), in_order)
        name = "webdataset, in order" if samples is not None else "webdataset (not installed)"
        rows.append(row(f"random read, again {frames}", ours, peer, name, "us"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--quick", action="store_true", help="up to a hundred thousand frames")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to put the stores, and leave them")
    options = parser.parse_args()
    sizes = (10_000, 100_000) if options.quick else (10_000, 100_000, 1_000_000, 10_000_000)
    jpegs = small_jpegs()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [found for frames in sizes for found in rows_of(frames, folder, jpegs)]
    if options.json:
        machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
        options.json.write_text(json.dumps({"rows": rows, "machine": machine}, indent=2))


if __name__ == "__main__":
    main()
