"""What many programmes cost: python benchmarks/programme.py [--quick] [--json FILE]

The step of the programme method (forward, backward, optimizer) with a ResNet-18 at 64 pixels, batch 128, at 60,000
classes beside the very same at 1,000. Times are medians of steps that take turns. Memory is the largest resident set of
a process that does nothing else, each case in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from shared.machine import machine

from framegate.recipes.config.sections import Optim
from framegate.recipes.training.optimizers import make_optimizer
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.methods.programme_labels import Programme, ProgrammeLoss

MANY, FEW = 60_000, 1_000
BATCH, SIDE = 128, 64
LIMIT = 500.0  # MB more at MANY classes
OPTIMIZERS = ("sgd", "lars", "adamw")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="SGD alone, fewer steps")
    parser.add_argument("--memory-of", nargs=2, metavar=("CLASSES", "OPTIMIZER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(peak_memory(int(options.memory_of[0]), options.memory_of[1]))
        return
    rows = []
    for name in OPTIMIZERS[:1] if options.quick else OPTIMIZERS:
        rows.append(time_row(name, pairs=9 if options.quick else 25))
        rows.append(memory_row(name))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "machine": machine()}, indent=1))


def time_row(optimizer: str, *, pairs: int) -> dict[str, Any]:
    few, many = training(FEW, optimizer), training(MANY, optimizer)
    times = [(seconds(few), seconds(many)) for _ in range(pairs + 2)][2:]  # the first two warm up
    ratios = [slow / fast for fast, slow in times]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    ours, peer = (statistics.median(column) for column in (tuple(zip(*times, strict=True))[1], [f for f, _ in times]))
    case = f"resnet18@{SIDE}, batch {BATCH}, {MANY} classes, {optimizer}: time of a step"
    print(f"{case}: {ours:.3f} s, at {FEW} classes {peer:.3f} s, ratio {ratio:.3f} ({low:.3f}–{high:.3f})")
    row = {"case": case, "ours": ours, "peer": peer, "peer_name": f"the same step at {FEW} classes", "unit": "s"}
    return {**row, "better": "lower", "ratio": ratio, "ratio_quartiles": [low, high], "target": 1.2}


def memory_row(optimizer: str) -> dict[str, Any]:
    few, many = (memory_alone(classes, optimizer) for classes in (FEW, MANY))
    case = f"resnet18@{SIDE}, batch {BATCH}, {MANY} classes, {optimizer}: memory above that at {FEW}"
    print(f"{case}: {many - few:.0f} MB ({many:.0f} and {few:.0f})")
    row = {"case": case, "ours": many - few, "peer": LIMIT, "peer_name": "the limit", "unit": "MB", "better": "lower"}
    return {**row, "ratio": (many - few) / LIMIT, "target": 1.0}


def training(classes: int, optimizer: str) -> Callable[[], None]:
    """A step of a training, to be called again and again."""
    torch.manual_seed(0)
    backbone = Backbone("resnet18", image_size=SIDE)
    method = Programme(backbone, ProgrammeLoss(backbone.dim, classes)).to(memory_format=torch.channels_last)
    update = make_optimizer(Optim(name=optimizer, lr=0.1), method)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), generator=generator).byte()
    images = images.contiguous(memory_format=torch.channels_last)
    source = torch.arange(BATCH)

    def step() -> None:
        programme = torch.randint(0, classes, (BATCH,), generator=generator)
        batch = ViewBatch(images, images, source, programme)
        method(batch, generator).loss.backward()
        update.step()
        update.zero_grad(set_to_none=True)

    return step


def seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def memory_alone(classes: int, optimizer: str) -> float:
    command = [sys.executable, __file__, "--memory-of", str(classes), optimizer]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_memory(classes: int, optimizer: str) -> float:
    """The largest resident set of this process, MB, after a few steps."""
    step = training(classes, optimizer)
    for _ in range(4):
        step()
    # Not getrusage: a process that another one starts begins with that one's peak there.
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(peak) / 1000


if __name__ == "__main__":
    main()
