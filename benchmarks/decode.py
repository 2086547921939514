"""Decoding frames at given times: framegate beside torchcodec, OpenCV, PyAV and the ffmpeg command line.

Auto mode is measured beside our own other modes: it may cost 1.15 times the cheaper of those that give the frames.

Every contestant returns RGB arrays at native size for the same timestamps of the same files, and may use all cores. All
frames of a peer are compared with ours; one that returns others says so in its row, and is not counted as the fastest.
Folders of JPEG pictures come next, each picture in the size of a frame store (`shared/picture_folders.py`). Last come
500 short clips, from files to frames on the disk (`shared/short_clips.py`).

    python benchmarks/decode.py [--quick] [--json FILE] [--real DIR] [--case TEXT]
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from shared import picture_folders, short_clips

from framegate.media import read_frames
from framegate.media.options import Mode

SIZES = {"360p": (640, 360), "720p": (1280, 720)}
GOPS = (12, 50, 250)
STEPS = (0.5, 1.0, 5.0, 30.0)
LONG_GOPS = {50: (1.0, 2.0), 250: (1.0, 5.0), 100_000: (1.0, 5.0)}  # and the steps that auto mode is measured at
ENOUGH = 0.95  # share of the asked frames
RATE = 30
X264 = {"preset": "veryfast", "crf": "25", "sc_threshold": "0", "x264-params": "colormatrix=smpte170m"}

Frames = Sequence[np.ndarray] | np.ndarray
Decoder = Callable[[Path, Sequence[float]], Frames]


def framegate_exact(path: Path, times: Sequence[float]) -> Frames:
    return [picture for _, picture in read_frames(path, times)]


def pyav_sequential(path: Path, times: Sequence[float]) -> Frames:
    found: list[np.ndarray] = []
    shown: av.VideoFrame | None = None
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            while len(found) < len(times) and frame.time > times[len(found)] + 1e-6 and shown is not None:
                found.append(shown.to_ndarray(format="rgb24"))
            if len(found) == len(times):
                return found
            shown = frame
    if shown is not None:
        found += [shown.to_ndarray(format="rgb24")] * (len(times) - len(found))
    return found


def pyav_seeking(path: Path, times: Sequence[float]) -> Frames:
    found: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for target in times:
            container.seek(int((target + 1e-6) / stream.time_base), stream=stream)
            shown = None
            for frame in container.decode(stream):
                if frame.time > target + 1e-6 and shown is not None:
                    break
                shown = frame
            assert shown is not None
            found.append(shown.to_ndarray(format="rgb24"))
    return found


def opencv(path: Path, times: Sequence[float]) -> Frames:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    rate = video.get(cv2.CAP_PROP_FPS)
    found: list[np.ndarray] = []
    number = -1
    for target in times:
        while number < int(target * rate + 1e-3):
            video.grab()
            number += 1
        found.append(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB))
    return found


def torchcodec_exact(path: Path, times: Sequence[float]) -> Frames:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=0)
    return decoder.get_frames_played_at([target + 1e-6 for target in times]).data.numpy()


def ffmpeg_command(path: Path, times: Sequence[float]) -> Frames:
    step = times[1] - times[0] if len(times) > 1 else 1e6
    chosen = f"select=isnan(prev_selected_t)+gte(t\\,{step}*floor(prev_selected_t/{step}+1+1e-6)-1e-6)"
    return _raw(path, "-i", str(path), "-vf", chosen)[: len(times)]


def framegate_keyframes(path: Path, times: Sequence[float]) -> Frames:
    return [picture for _, picture in read_frames(path, times, mode="keyframe")]


def ffmpeg_keyframes(path: Path, times: Sequence[float]) -> Frames:
    return _raw(path, "-skip_frame", "nokey", "-i", str(path))


def _raw(path: Path, *arguments: str) -> np.ndarray:
    with av.open(str(path)) as container:
        width, height = container.streams.video[0].width, container.streams.video[0].height
    command = ["ffmpeg", "-v", "error", *arguments, "-an", "-fps_mode", "passthrough"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def peers() -> dict[str, Decoder | None]:
    """The contestants; None where one is not installed."""
    found: dict[str, Decoder | None] = {"pyav sequential": pyav_sequential, "pyav seeking": pyav_seeking}
    found["opencv"] = opencv
    found["ffmpeg"] = ffmpeg_command if shutil.which("ffmpeg") else None
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, RuntimeError, OSError):
        found["torchcodec"] = None
    else:
        found["torchcodec"] = torchcodec_exact
    return found


def write_video(path: Path, size: tuple[int, int], *, gop: int, seconds: int) -> None:
    """A texture that scrolls and cuts, as x264 compresses it by default (B-frames included).

    It says that its colours are BT.601's: of large pictures that do not say it readers think differently.
    """
    width, height = size
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 20, width // 20), dtype=np.uint8)
    texture = cv2.resize(coarse, (width + 256, height + 128), interpolation=cv2.INTER_CUBIC)
    texture += random.integers(0, 16, texture.shape, dtype=np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options=X264)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", gop
        for index in range(seconds * RATE):
            x, y = round(128 + 127 * np.sin(index / 40)), round(64 + 63 * np.cos(index / 31))
            picture = np.full((height * 3 // 2, width), 128, np.uint8)
            picture[:height] = texture[y : y + height, x : x + width]
            picture[height:] += np.uint8(index // (RATE * 4) * 29 % 90)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        out.mux(stream.encode())


def seconds_of(decoders: dict[str, Decoder], path: Path, times: Sequence[float], *, repeats: int) -> dict[str, float]:
    """The median time of some calls of each; they take turns, so that a slow moment of the machine hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(repeats):
        for name, decode in decoders.items():
            began = time.perf_counter()
            decode(path, times)
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def same(ours: Frames, theirs: Frames) -> bool:
    """Whether two contestants returned the same pictures, all of them, but for rounding of colours."""
    return len(ours) == len(theirs) and all(
        np.abs(mine[::4, ::4].astype(np.int16) - other[::4, ::4]).mean() <= 3
        for mine, other in zip(ours, theirs, strict=True)
    )


def row(case: str, ours: float, peer: float | None, name: str, target: float | None = None) -> dict[str, Any]:
    ratio = None if peer is None else ours / peer
    times = {"case": case, "ours": ours, "peer": peer, "peer_name": name, "unit": "s", "better": "lower"}
    shown = "not installed" if peer is None else f"{peer:8.3f} s  ratio {ratio:5.2f}"
    print(f"{case:38} ours {ours:8.3f} s  {name:24} {shown}" + (f"  (target {target})" if target else ""), flush=True)
    return times | {"ratio": ratio, "target": target}


def exact_rows(
    case: str,
    path: Path,
    times: Sequence[float],
    *,
    repeats: int,
    ours: Decoder = framegate_exact,
    found: Mapping[str, Decoder | None] | None = None,
    target: float = 1.15,
) -> list[dict[str, Any]]:
    """Our time beside each peer's, and beside the fastest of those that return the same frames."""
    reference = ours(path, times)
    found = peers() if found is None else found
    contestants = {name: decode for name, decode in found.items() if decode is not None}
    alike = {name: same(reference, decode(path, times)) for name, decode in contestants.items()}
    taken = seconds_of({"ours": ours} | contestants, path, times, repeats=repeats)
    rows = []
    for name in found:
        shown = name if alike.get(name, True) else f"{name} (other frames)"
        rows.append(row(case, taken["ours"], taken.get(name), shown) | {"same_frames": alike.get(name)})
    best = min((name for name in contestants if alike[name]), key=lambda name: taken[name], default=None)
    peer = None if best is None else taken[best]
    return [*rows, row(case, taken["ours"], peer, f"fastest: {best}", target=target)]


def folder_rows(folder: Path, *, case: str, quick: bool, repeats: int) -> list[dict[str, Any]]:
    """Our time beside each peer's for folders of JPEGs whose case holds the text ``case``."""
    rows = []
    for (width, height), pictures in (picture_folders.QUICK if quick else picture_folders.SIZES).items():
        name = f"folder of {pictures} JPEGs {width}x{height}"
        if case in name:
            path = folder / f"{width}x{height}"
            picture_folders.write_folder(path, (width, height), pictures=pictures)
            ours, found = picture_folders.framegate_folder, picture_folders.PEERS
            # 1.11: at least 0.9 of the fastest peer's rate
            rows += exact_rows(name, path, range(pictures), repeats=repeats, ours=ours, found=found, target=1.11)
    return rows


def clip_rows(folder: Path, *, quick: bool, repeats: int) -> list[dict[str, Any]]:
    """Our time for many short clips, end to end, beside each peer's and the fastest one's."""
    clips = 50 if quick else 500
    files = [folder / f"clip-{number:03}.mp4" for number in range(clips)]
    folder.mkdir()
    different = files[:30]  # the others are copies
    for number, path in enumerate(different):
        write_video(path, SIZES["360p"], gop=250, seconds=2 + number % 7)
    for number, path in enumerate(files[len(different) :]):
        shutil.copy(different[number % len(different)], path)
    installed = peers()
    readers = {name: read for name, read in short_clips.READERS.items() if installed.get(name, read) is not None}
    taken, frames = short_clips.seconds_a_run(files, folder, readers, repeats=repeats)
    case = f"{clips} short clips, end to end"
    rows = [row(case, taken["ours"], taken.get(name), name) | {"frames": frames} for name in short_clips.READERS]
    best = min(readers, key=lambda name: taken[name])
    return [*rows, row(case, taken["ours"], taken[best], f"fastest: {best}") | {"frames": frames}]


def keyframe_row(case: str, path: Path, *, repeats: int) -> dict[str, Any]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [float(p.pts * stream.time_base) for p in container.demux(stream) if p.is_keyframe and p.size]
    contestants: dict[str, Decoder] = {"ours": framegate_keyframes}
    if shutil.which("ffmpeg"):
        if not same(framegate_keyframes(path, times), ffmpeg_keyframes(path, times)):
            raise RuntimeError(f"{case}: ffmpeg's keyframes are not framegate's, and times of other work say nothing")
        contestants["ffmpeg"] = ffmpeg_keyframes
    taken = seconds_of(contestants, path, times, repeats=repeats)
    return row(case, taken["ours"], taken.get("ffmpeg"), "ffmpeg -skip_frame nokey", target=1.3)


def auto_row(case: str, path: Path, times: Sequence[float], *, repeats: int) -> dict[str, Any]:
    """Auto mode's time beside that of the cheaper of the other modes that give 95% of the frames."""
    modes: tuple[Mode, ...] = ("auto", "keyframe", "exact")

    def reading(mode: Mode) -> Decoder:
        return lambda path, times: [picture for _, picture in read_frames(path, times, mode=mode, threads=1)]

    found = {mode: len({time for time, _ in read_frames(path, times, mode=mode, threads=1)}) for mode in modes}
    if found["auto"] < ENOUGH * len(times):
        raise RuntimeError(f"{case}: auto mode gives {found['auto']} of {len(times)} frames")
    contestants = {mode: reading(mode) for mode in modes if found[mode] >= ENOUGH * len(times)}
    taken = seconds_of(contestants, path, times, repeats=max(3, repeats))
    best = min((mode for mode in contestants if mode != "auto"), key=lambda mode: taken[mode])
    return row(case, taken["auto"], taken[best], f"our {best} mode", target=1.15) | {"frames": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--quick", action="store_true", help="short videos, fewer of them: at most two minutes")
    parser.add_argument("--real", type=Path, metavar="DIR", help="add the videos of DIR, one frame a second")
    parser.add_argument(
        "--case", default="", metavar="TEXT", help="only cases whose name holds TEXT: 720p, gop=12 every=5"
    )
    options = parser.parse_args()
    seconds, repeats = (31, 1) if options.quick else (60, 3)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("360p",) if options.quick else SIZES:
            for gop in GOPS:
                exact = {f"exact {name} gop={gop} every={step:g}": step for step in STEPS}
                exact = {case: step for case, step in exact.items() if options.case in case}
                keyframe = f"keyframe {name} gop={gop}"
                if not exact and options.case not in keyframe:
                    continue
                path = Path(folder) / f"{name}-{gop}.mp4"
                write_video(path, SIZES[name], gop=gop, seconds=seconds)
                for case, step in exact.items():
                    rows += exact_rows(case, path, np.arange(0, seconds, step).tolist(), repeats=repeats)
                if options.case in keyframe:
                    rows.append(keyframe_row(keyframe, path, repeats=repeats))
        for gop, steps in LONG_GOPS.items():
            cases = {f"auto 360p gop={gop} every={step:g}": step for step in steps}
            if not (cases := {case: step for case, step in cases.items() if options.case in case}):
                continue
            path = Path(folder) / f"auto-{gop}.mp4"
            write_video(path, SIZES["360p"], gop=gop, seconds=seconds)
            for case, step in cases.items():
                rows.append(auto_row(case, path, np.arange(0, seconds, step).tolist(), repeats=repeats))
        rows += folder_rows(Path(folder), case=options.case, quick=options.quick, repeats=repeats)
        if options.case in "short clips, end to end":
            rows += clip_rows(Path(folder) / "clips", quick=options.quick, repeats=repeats)
    ratios = [r["ratio"] for r in rows if r["case"].startswith("exact") and r["target"] and r["ratio"]]
    if ratios:
        mean = statistics.geometric_mean(ratios)
        rows.append(row("exact, geometric mean of ratios", mean, 1.0, "fastest peers", target=1.0) | {"unit": "ratio"})
    for path in sorted(options.real.iterdir()) if options.real else ():
        with av.open(str(path)) as container:
            length = (container.duration or 0) / av.time_base
        rows += exact_rows(f"exact {path.name} every=1", path, np.arange(0, max(length - 0.5, 0.1)).tolist(), repeats=1)
    if options.json:
        machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
        versions = {"av": av.__version__, "opencv": cv2.__version__, "ffmpeg": av.library_versions["libavcodec"]}
        options.json.write_text(json.dumps({"rows": rows, "machine": machine | versions}, indent=2))


if __name__ == "__main__":
    main()
