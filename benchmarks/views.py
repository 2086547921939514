"""Pairs of views a second, beside the toolkits people use: python benchmarks/views.py [--quick] [--json FILE]

Ours with the whole anti-shortcut policy beside lightly's MoCoV2Transform and torchvision's v2 transforms; ours without
it beside albumentations with the same crops and colours. All start from the same JPEG bytes and make two MoCo v2 views.
Ours are uint8, normalised later on the device; the peers' are what their users have: float, for albumentations uint8.
The JPEG decode alone is the floor; the share of each of our operations is printed. Pipelines take turns of a quarter of
a second, so that what else the machine does falls on all alike. Ours has filled its caches, as in a minute's training.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import torch
from shared.machine import machine
from torch.utils.data import DataLoader, Dataset

from framegate.augment import Anchor, OverlayPolicy, TwoViews, ViewPolicy, views
from framegate.augment.overlays.looks import Look
from framegate.media import Layout, decode_jpeg

Pipeline = Callable[[int], Any]  # number of a picture, and of the draw → two views
CASES = ((256, 224), (720, 224), (128, 96))  # height of the JPEGs, side of the views
PICTURES = 48
NOTHING = OverlayPolicy(paint=0.0, survive=1.0, assume=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="one case, a short measurement each")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    turns = 4 if options.quick else 12
    rows = []
    for height, side in CASES[:1] if options.quick else CASES:
        jpegs = [picture(seed, height) for seed in range(PICTURES)]
        pipelines: dict[str, Pipeline] = {
            "ours": Ours(jpegs, side, OverlayPolicy()),
            "ours without the policy": Ours(jpegs, side, NOTHING),
            "the JPEG decode alone": DecodeOnly(jpegs),
            **peers(jpegs, side),
        }
        for number in range(1500 if options.quick else 4000):
            pipelines["ours"](number)
        required = (height, side) == (256, 224)
        rows += compare(f"{side} from {height}, one core", alone(pipelines, turns), required=required)
        rows += compare(f"{side} from {height}, 2 workers", through_loaders(pipelines, turns), required=False)
        print_shares(jpegs, side, turns)
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "machine": machine()}, indent=1))


def peers(jpegs: list[bytes], side: int) -> dict[str, Pipeline]:
    """The peers that are installed."""
    found: dict[str, Pipeline] = {}
    for name, make in (
        ("lightly MoCoV2Transform", Lightly),
        ("torchvision v2", Torchvision),
        ("albumentations", Albumentations),
    ):
        with contextlib.suppress(ImportError):
            found[name] = make(jpegs, side)
    return found


def compare(case: str, rates: dict[str, float], *, required: bool) -> list[dict[str, Any]]:
    """Rows of the report: with the policy beside lightly and torchvision, without it beside albumentations."""
    full, bare = f"{case}, full policy", f"{case}, without the policy"
    return [
        row(full, rates["ours"], rates["the JPEG decode alone"], "the JPEG decode alone", None),
        row(
            full,
            rates["ours"],
            rates.get("lightly MoCoV2Transform"),
            "lightly MoCoV2Transform",
            5.0 if required else None,
        ),
        row(full, rates["ours"], rates.get("torchvision v2"), "torchvision v2", None),
        row(
            bare,
            rates["ours without the policy"],
            rates.get("albumentations"),
            "albumentations",
            1.0 if required else None,
        ),
    ]


def row(case: str, ours: float, peer: float | None, peer_name: str, target: float | None) -> dict[str, Any]:
    ratio = ours / peer if peer else None
    beside = f"{peer:5.0f}   ratio {ratio:5.2f}" if peer else "not installed"
    print(f"{case:45} pairs/s: ours {ours:5.0f}   {peer_name} {beside}")
    fields = {"case": case, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": "pairs/s", "better": "higher"}
    return {**fields, "ratio": ratio, "target": target}


def alone(pipelines: dict[str, Pipeline], turns: int) -> dict[str, float]:
    """Calls a second of each pipeline in this process, in turns of a quarter of a second."""
    spent, calls = dict.fromkeys(pipelines, 0.0), dict.fromkeys(pipelines, 0)
    for _ in range(turns):
        for name, pipeline in pipelines.items():
            start = time.perf_counter()
            while time.perf_counter() - start < 0.25:
                pipeline(4000 + calls[name])
                calls[name] += 1
            spent[name] += time.perf_counter() - start
    return {name: calls[name] / spent[name] for name in pipelines}


def through_loaders(pipelines: dict[str, Pipeline], turns: int) -> dict[str, float]:
    """Calls a second of each pipeline through a DataLoader with two workers, one pipeline after the other."""
    rates = {}
    for name, pipeline in pipelines.items():
        loader = DataLoader(Numbers(pipeline), batch_size=32, num_workers=2, worker_init_fn=single_threaded)
        batches = iter(loader)
        for _ in range(6):
            next(batches)
        start, batches_taken = time.perf_counter(), 0
        while time.perf_counter() - start < 0.25 * turns:
            next(batches)
            batches_taken += 1
        rates[name] = 32 * batches_taken / (time.perf_counter() - start)
        del batches
    return rates


class Numbers(Dataset):
    """Draws of a pipeline, for a data loader."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, number: int) -> Any:
        return self.pipeline(number)


def single_threaded(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


class Ours:
    """framegate's pairs, as (S, S, 3) uint8."""

    def __init__(self, jpegs: list[bytes], side: int, overlays: OverlayPolicy) -> None:
        self.anchors = [Anchor(jpeg, Layout()) for jpeg in jpegs]
        self.views = TwoViews(ViewPolicy(overlays=overlays), image_size=side, seed=0)

    def __call__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        anchor, donor = self.anchors[number % PICTURES], self.anchors[(7 * number + 1) % PICTURES]
        return self.views(anchor, epoch=0, index=number, donor=donor)


class DecodeOnly:
    """The floor: one decode of the frame that both views are of."""

    def __init__(self, jpegs: list[bytes]) -> None:
        self.jpegs = jpegs

    def __call__(self, number: int) -> int:
        return decode_jpeg(self.jpegs[number % PICTURES]).shape[0]


class Lightly:
    """lightly's MoCoV2Transform on PIL pictures."""

    def __init__(self, jpegs: list[bytes], side: int) -> None:
        from lightly.transforms import MoCoV2Transform

        self.jpegs, self.transform = jpegs, MoCoV2Transform(input_size=side)

    def __call__(self, number: int) -> list[torch.Tensor]:
        from PIL import Image

        return self.transform(Image.open(io.BytesIO(self.jpegs[number % PICTURES])).convert("RGB"))


class Torchvision:
    """torchvision's v2 transforms on uint8 tensors."""

    def __init__(self, jpegs: list[bytes], side: int) -> None:
        from torchvision.transforms import v2

        self.jpegs = jpegs
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(side, scale=(0.2, 1.0), antialias=True),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
                v2.RandomGrayscale(p=0.2),
                v2.RandomApply([v2.GaussianBlur(kernel_size=23, sigma=(0.1, 2.0))], p=0.5),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __call__(self, number: int) -> list[torch.Tensor]:
        from torchvision.io import decode_jpeg as torchvision_decode

        jpeg = torch.frombuffer(bytearray(self.jpegs[number % PICTURES]), dtype=torch.uint8)
        image = torchvision_decode(jpeg)
        return [self.transform(image) for _ in range(2)]


class Albumentations:
    """albumentations with the same geometry and colours, on cv2's decode."""

    def __init__(self, jpegs: list[bytes], side: int) -> None:
        import albumentations as A

        self.jpegs = jpegs
        self.transform = A.Compose(
            [
                A.RandomResizedCrop((side, side), scale=(0.2, 1.0)),
                A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=0.8),
                A.ToGray(p=0.2),
                A.GaussianBlur(blur_limit=0, sigma_limit=(0.1, 2.0), p=0.5),
                A.HorizontalFlip(),
            ]
        )

    def __call__(self, number: int) -> list[np.ndarray]:
        image = cv2.imdecode(np.frombuffer(self.jpegs[number % PICTURES], np.uint8), cv2.IMREAD_COLOR_RGB)
        return [self.transform(image=image)["image"] for _ in range(2)]


def print_shares(jpegs: list[bytes], side: int, turns: int) -> None:
    """Where our time goes, with the full policy."""
    operations = (
        (views, "plan_pair", "plan"),
        (views, "decode_jpeg", "decode"),
        (views, "cut", "crop and resize"),
        (TwoViews, "_hide", "hide real overlays"),
        (Look, "paint", "paint looks"),
        (views, "recolour", "colours and blur"),
    )
    spent = {label: 0.0 for _, _, label in operations}
    originals = [getattr(owner, name) for owner, name, _ in operations]
    for owner, name, label in operations:
        setattr(owner, name, timed(getattr(owner, name), label, spent))
    pair = 1 / alone({"ours": Ours(jpegs, side, OverlayPolicy())}, turns)["ours"]
    for (owner, name, _), original in zip(operations, originals, strict=True):
        setattr(owner, name, original)
    pairs = 0.25 * turns / pair
    shares = sorted(((time_ / pairs / pair, label) for label, time_ in spent.items()), reverse=True)
    print(f"  a pair takes {pair * 1e3:.2f} ms: " + ", ".join(f"{label} {share:.0%}" for share, label in shares))


def timed(function: Callable, label: str, spent: dict[str, float]) -> Callable:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = function(*args, **kwargs)
        spent[label] += time.perf_counter() - start
        return result

    return wrapper


def picture(seed: int, height: int) -> bytes:
    """A picture of 16:9 with the detail of a photograph: clouds of all sizes, and edges."""
    rng = np.random.default_rng(seed)
    width = height * 16 // 9
    image = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 8):
        cells = rng.random((2**octave, 2**octave, 3), dtype=np.float32) - 0.5
        image += cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC) * 300 / 1.7**octave
    image = np.clip(image + 128, 0, 255).astype(np.uint8)
    for _ in range(12):
        points = rng.integers((0, 0), (width, height), (1, 2)) + rng.normal(0, height / 8, (5, 2))
        cv2.fillPoly(image, [points.astype(np.int32)], rng.integers(0, 256, 3).tolist(), cv2.LINE_AA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


if __name__ == "__main__":
    main()
