"""The share of extraction that layout finding takes: python benchmarks/layout.py [VIDEO …] [--quick] [--json FILE]

Generated clips (H.264 with sound, 360 and 720 lines, 10 to 60 seconds, and tiny ones of 2 seconds), or the videos
named, are extracted one after the other in this process as `framegate extract` does by default, a frame a second; the
time spent in `find_layout` is a part of it. The target is less than a tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from framegate.augment import find_layout
from framegate.media.extraction.clip_extract import extract_clip
from framegate.media.manifest.manifest import Clip
from framegate.media.options import ExtractOptions

CASES = ((360, 10), (360, 60), (720, 10), (720, 60), (144, 2), (240, 2))  # lines, seconds
TARGET = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="a clip of each kind instead of two")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        groups = {}
        if options.videos:
            groups[f"{len(options.videos)} videos"] = options.videos
        else:
            for lines, seconds in CASES:
                files = [Path(folder) / f"{lines}-{seconds}-{n}.mp4" for n in range(1 if options.quick else 2)]
                for number, file in enumerate(files):
                    generate(file, lines=lines, seconds=seconds, number=number)
                groups[f"{lines} lines, {seconds} s"] = files
        for case, files in groups.items():
            rows.append(share(case, files, Path(folder), every=0.25 if case.endswith(", 2 s") else 1.0))
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "opencv": cv2.__version__}
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "machine": machine}, indent=1))


def share(case: str, files: list[Path], folder: Path, *, every: float) -> dict:
    """A row: seconds in layout finding beside those of the whole extraction."""
    spent, frames = [0.0], [0]

    def timed(pictures: list) -> object:
        start = time.perf_counter()
        found = find_layout(pictures)
        spent[0] += time.perf_counter() - start
        frames[0] += len(pictures)
        return found

    find_layout([np.zeros((90, 160, 3), np.uint8)] * 3)  # what loads at first use, loads now
    start = time.perf_counter()
    for number, file in enumerate(files):
        clip = Clip(id=str(number), video=file)
        parts = folder / case
        parts.mkdir(exist_ok=True)
        extract_clip(number, clip, folder=parts, options=ExtractOptions(every=every), layout=timed)
    whole = time.perf_counter() - start
    print(
        f"{case:22} {frames[0]:4} frames: layout {spent[0]:.3f} s of {whole:.3f} s, {spent[0] / whole:.1%} (below 10%)"
    )
    fields = {"case": case, "ours": spent[0], "peer": whole, "peer_name": "the whole extraction", "unit": "s"}
    return {**fields, "better": "lower", "ratio": spent[0] / whole, "target": TARGET}


def generate(path: Path, *, lines: int, seconds: int, number: int) -> None:
    """A moving test picture with noise and a tone, a keyframe every two seconds as platforms have it."""
    size = f"{lines * 16 // 9 // 2 * 2}x{lines}"
    picture = f"testsrc2=size={size}:rate=25,hue=h={60 * number}+20*t,noise=alls=2:allf=t"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=330"]
    command += ["-t", str(seconds), "-g", "50", "-pix_fmt", "yuv420p", "-preset", "medium", "-shortest", str(path)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
