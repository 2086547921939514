"""How files for `benchmarks/inputs.py` are made, and how what readers give of them is judged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Pictures = Sequence[np.ndarray]  # (H, W, 3) RGB uint8, one for each time asked for
Wave = np.ndarray  # (n,) float32, 16 kHz mono, the first sample at second 0

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
RATE = 16_000
_SIZE = "320x240"
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file.

    Attributes:
        name: what it is, in a few words.
        make: writes the file, or folder, into an empty folder and returns its path.
        times: seconds at which pictures are asked for; empty where audio is.
        right: tells whether the pictures, or the audio, are what a person would see or hear.
    """

    name: str
    make: Callable[[Path], Path]
    times: tuple[float, ...] = ()
    right: Callable[[Pictures], bool] | Callable[[Wave], bool]


def ffmpeg(folder: Path, *words: object) -> Path:
    """Run ffmpeg in ``folder``; the last word is the file that it writes."""
    command = ["ffmpeg", "-y", "-v", "error", *map(str, words)]
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL)
    return folder / str(words[-1])


def patched(path: Path, changes: dict[bytes, bytes]) -> Path:
    """Replace the first of each of some bytes in the index of a MOV or MP4."""
    made = path.read_bytes()
    at = made.rfind(b"moov")
    for old, new in changes.items():
        made = made[:at] + made[at:].replace(old, new, 1)
    path.write_bytes(made)
    return path


def colours(*seconds: tuple[str, float], size: str = _SIZE, rate: int = 10) -> list[str]:
    """Return ffmpeg's words for an input of plain colours, each for its seconds."""
    inputs = [f"color={name}:s={size}:r={rate}:d={length}" for name, length in seconds]
    graph = ";".join(f"{each}[c{number}]" for number, each in enumerate(inputs))
    joined = "".join(f"[c{number}]" for number in range(len(inputs)))
    return ["-f", "lavfi", "-i", f"{graph};{joined}concat=n={len(inputs)}[out0]"]


def tone(seconds: float, hertz: int = 440) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine={hertz}:d={seconds}"]


def shows(*wanted: tuple[int, int, int], near: int = 30) -> Callable[[Pictures], bool]:
    """Return a check: one picture for each colour, whose mean is within ``near`` levels of it in every channel."""

    def check(pictures: Pictures) -> bool:
        means = [picture.reshape(-1, 3).mean(axis=0) for picture in pictures]
        return len(means) == len(wanted) and bool(np.all(np.abs(np.array(means) - wanted) <= near))

    return check


def has_shape(height: int, width: int, inner: Callable[[Pictures], bool]) -> Callable[[Pictures], bool]:
    def check(pictures: Pictures) -> bool:
        fits = all(abs(p.shape[0] / p.shape[1] - height / width) < 0.02 * height / width for p in pictures)
        return fits and inner(pictures)

    return check


def left_red_right_blue(pictures: Pictures) -> bool:
    """Tell whether the left half of the first picture is red and its right half blue."""
    picture = pictures[0]
    half = picture.shape[1] // 2
    return shows(RED, BLUE, near=60)([picture[:, : half - 8], picture[:, half + 8 :]])


def nothing(pictures: Pictures) -> bool:
    """Tell whether nothing is seen: each picture is one even grey, black or white, as what lies behind it."""
    return all(int(picture.max()) - int(picture.min()) < 8 for picture in pictures)


def loud_at(*seconds: float, silent: Sequence[float] = ()) -> Callable[[Wave], bool]:
    """Return a check: audio around each of ``seconds``, none around each of ``silent``."""

    def level(wave: Wave, second: float) -> float:
        part = wave[max(0, round((second - 0.2) * RATE)) : round((second + 0.2) * RATE)]
        return float(np.sqrt(np.mean(part**2))) if len(part) > RATE // 10 else 0.0

    def check(wave: Wave) -> bool:
        return all(level(wave, s) > 0.02 for s in seconds) and all(level(wave, s) < 0.005 for s in silent)

    return check
