"""Near-duplicates among very many clips: python benchmarks/duplicates.py [--quick] [--json FILE]

Synthetic hashes of 100,000 clips, ten frames each, in a process of its own: time, largest resident set, and what is
found of 10,000 planted copies (cropped, with noise in their bits, half of them trimmed). A tenth of all frames are one
of ten title cards, and clips of one series share their first two frames: what makes buckets large. Beside it the time
to hash a frame in all regions and crops, and what ImageHash's phash takes for its one hash (pip install imagehash).
A full run takes about ten minutes, --quick (10,000 clips) one.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from framegate.media.store.frame_hashes import SIDE, hash_pictures
from framegate.media.store.near_duplicates import align_clips

FRAMES = 10
CARDS, SERIES = 10, 200
REGIONS, WAYS = 3, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--quick", action="store_true", help="10,000 clips")
    parser.add_argument("--search", type=int, metavar="CLIPS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        print(json.dumps(search(options.search)))
        return
    clips = 10_000 if options.quick else 100_000
    command = [sys.executable, __file__, "--search", str(clips)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    rows = [
        row(f"search {clips} clips", found["seconds"], "s", target=600.0),
        row(f"memory, {clips} clips", found["megabytes"], "MB", target=2000.0),
        row(f"recall, {clips} clips", found["recall"], "share", target=0.95, better="higher"),
        row(f"precision, {clips} clips", found["precision"], "share", target=0.95, better="higher"),
        hashing(),
    ]
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "machine": machine()}, indent=2))


def row(
    case: str,
    ours: float,
    unit: str,
    *,
    target: float | None = None,
    better: str = "lower",
    peer: float | None = None,
    name: str = "(limit)",
) -> dict[str, Any]:
    print(
        f"{case:28} {ours:9.3f} {unit:6} {name if peer is None else f'{name} {peer:.3f}'} (target {target})", flush=True
    )
    ratio = None if peer is None else ours / peer
    values = {"case": case, "ours": ours, "peer": peer, "peer_name": name, "unit": unit, "better": better}
    return values | {"ratio": ratio, "target": target}


def synthetic_clips(clips: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, set[tuple[int, int]]]:
    """Hashes (N, R, V), clip (N,), time (N,), and the planted pairs: the last tenth of the clips are copies."""
    rng = np.random.default_rng(0)
    originals = clips - clips // 10
    whole = rng.integers(0, 2**64, (clips, FRAMES, REGIONS), dtype=np.uint64)
    series = rng.integers(0, 2**64, (SERIES, 2, REGIONS), dtype=np.uint64)
    whole[:, :2] = series[rng.integers(0, SERIES, clips)]
    cards = rng.integers(0, 2**64, (CARDS, REGIONS), dtype=np.uint64)
    carded = rng.random((clips, FRAMES)) < 0.1
    whole[carded] = cards[rng.integers(0, CARDS, int(carded.sum()))]
    ways = whole[..., None] ^ noise(rng, (clips, FRAMES, REGIONS, WAYS), 0.15)  # a crop changes some ten bits
    ways[..., 0] = whole
    of = rng.permutation(originals)[: clips - originals]
    for copy, original in enumerate(of, start=originals):
        shift = 2 * (copy % 2)  # seconds that are trimmed
        kept = ways[original, shift:, :, copy % 7]  # as one of the crops shows it
        ways[copy, : FRAMES - shift] = kept[..., None] ^ noise(rng, (FRAMES - shift, REGIONS, WAYS), 0.15)
        ways[copy, : FRAMES - shift, :, 0] = kept ^ noise(rng, kept.shape, 0.04)
    clip = np.repeat(np.arange(clips), FRAMES)
    planted = {(int(original), copy) for copy, original in enumerate(of, start=originals)}
    return ways.reshape(-1, REGIONS, WAYS), clip, np.tile(np.arange(FRAMES, dtype=float), clips), planted


def noise(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> np.ndarray:
    """Words (*shape) whose bits are set with a probability of ``share``, to within 1/64."""
    bits = np.zeros(shape, np.uint64)
    steps = round(share * 64)
    for digit in range(6):  # Horner's scheme: each random word halves the probability, or adds a half
        random = rng.integers(0, 2**64, shape, dtype=np.uint64)
        bits = bits | random if steps >> digit & 1 else bits & random
    return bits


def search(clips: int) -> dict[str, float]:
    hashes, clip, times, planted = synthetic_clips(clips)
    began = time.perf_counter()
    found = align_clips(hashes, clip, times, source=np.arange(clips))
    seconds = time.perf_counter() - began
    pairs = {(int(min(pair)), int(max(pair))) for pair in zip(found.short, found.long, strict=True)}
    return {
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "recall": len(pairs & planted) / len(planted),
        "precision": len(pairs & planted) / max(1, len(pairs)),
    }


def hashing() -> dict[str, Any]:
    pictures = np.random.default_rng(0).integers(0, 255, (512, SIDE, SIDE), dtype=np.uint8)
    ours = milliseconds(lambda: hash_pictures(pictures), len(pictures))
    try:
        import imagehash
        from PIL import Image
    except ImportError:
        return row("hash a frame, all parts", ours, "ms", name="imagehash (not installed)")
    peer = milliseconds(lambda: [imagehash.phash(Image.fromarray(picture)) for picture in pictures], len(pictures))
    return row("hash a frame, all parts", ours, "ms", peer=peer, name="imagehash.phash, one part")


def milliseconds(run: Callable[[], object], pictures: int) -> float:
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        run()
        taken.append((time.perf_counter() - began) / pictures * 1e3)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
