"""Very many short clips, from files to JPEG frames on the disk: `framegate.extract` and loops over peers' decoders.

All take a frame a second, shrink it to a short side of 256 pixels and write it as a JPEG of quality 90, with
one process a core and one thread each. framegate also checks each clip, counts what it lacks, and writes a store that
survives a crash; sound and the search for overlays, which the peers do not have, are off. Which frames a peer writes is
not compared here: the rows of single files do that.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np

from framegate.media import ExtractOptions, clips_from_files, extract
from framegate.media.extraction.cores import usable_cores

SIDE = 256
Frames = Iterator[np.ndarray]
Reader = Callable[[Path], Frames]


def pyav(path: Path) -> Frames:
    with av.open(str(path)) as container:
        due = 0.0
        for frame in container.decode(video=0):
            if frame.time >= due - 1e-6:
                yield frame.to_ndarray(format="rgb24")
                due += 1


def opencv(path: Path) -> Frames:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    rate = video.get(cv2.CAP_PROP_FPS)
    due = 0.0
    for number in itertools.count():
        if not video.grab():
            return
        if number / rate >= due - 1e-6:
            yield cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
            due += 1


def torchcodec(path: Path) -> Frames:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1)
    seconds = decoder.metadata.duration_seconds or 0.0
    yield from decoder.get_frames_played_at(np.arange(0, seconds - 1e-6).tolist()).data.numpy()


READERS: dict[str, Reader] = {"pyav": pyav, "opencv": opencv, "torchcodec": torchcodec}


def seconds_a_run(
    files: list[Path], out: Path, readers: dict[str, Reader], *, repeats: int
) -> tuple[dict[str, float], dict[str, int]]:
    """Return each contestant's median wall time in seconds, and how many frames it wrote; they take turns."""
    contestants: dict[str, Callable[[], int]] = {"ours": partial(_extract, files, out / "ours")}
    for name, reader in readers.items():
        contestants[name] = partial(_loop, reader, files, out / name)
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    frames = {}
    for _ in range(repeats):
        for name, run in contestants.items():
            shutil.rmtree(out / name, ignore_errors=True)
            began = time.perf_counter()
            frames[name] = run()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in taken.items()}, frames


def _extract(files: list[Path], out: Path) -> int:
    summary = extract(clips_from_files(files), out, options=ExtractOptions(audio_seconds=0))
    if summary.ok != len(files):
        raise RuntimeError(f"{out}: {summary.ok} of {len(files)} clips are ok")
    return summary.frames


def _loop(reader: Reader, files: list[Path], out: Path) -> int:
    out.mkdir(parents=True)
    with ProcessPoolExecutor(usable_cores(), mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        return sum(pool.map(partial(_write_frames, reader, out), files, chunksize=4))


def _one_thread() -> None:
    cv2.setNumThreads(0)


def _write_frames(reader: Reader, out: Path, path: Path) -> int:
    count = 0
    for frame in reader(path):
        height, width = frame.shape[:2]
        factor = min(1.0, SIDE / min(width, height))
        small = cv2.resize(frame, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)
        jpeg = out / f"{path.stem}_{count}.jpg"
        cv2.imwrite(str(jpeg), cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
        count += 1
    return count
