"""What attention costs beside a training step: python benchmarks/attention.py [--quick] [--json FILE]

A ResNet-50 at 224 pixels on one CPU, fp32, batch 32: forward, backward and SGD update, beside what attention adds to
it: the map of the key encoder's features, one drop and one crop of the whole batch, every sample changed, with boxes to
keep out of. The key encoder's own forward is no part of the cost: a symmetric loss does it anyway.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import timm
import torch

from framegate.augment.attention import activation_map, crop, drop

BATCH, SIDE = 32, 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="two training steps instead of six")
    options = parser.parse_args()
    torch.manual_seed(0)
    images = torch.rand(BATCH, 3, SIDE, SIDE)
    features = torch.randn(BATCH, 2048, 7, 7)
    keep_out = torch.rand(BATCH, 4, 2, 2).sort(dim=2).values.flatten(2)  # (B, 4, 4): left, top, right, bottom
    keep_out[..., 2:] = keep_out[..., :2] + 0.2 * (keep_out[..., 2:] - keep_out[..., :2])
    generator = torch.Generator().manual_seed(0)

    def attend() -> None:
        maps = activation_map(features)
        dropped = drop(images, maps, generator=generator, probability=1.0, keep_out=keep_out)
        crop(dropped, maps, generator=generator, probability=1.0, keep_out=keep_out)

    model = timm.create_model("resnet50", num_classes=128)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model(images).square().mean().backward()
        optimizer.step()

    ours, training = seconds(attend, times=10), seconds(step, times=2 if options.quick else 6)
    print(f"attention {1e3 * ours:.0f} ms, training step {training:.2f} s: {ours / training:.1%} (at most 3%)")
    fields = {"case": "ResNet-50, 224, batch 32, CPU, fp32", "ours": ours, "peer": training, "target": 0.03}
    row = {**fields, "peer_name": "a training step", "unit": "s", "better": "lower", "ratio": ours / training}
    machine = {"cpus": os.cpu_count(), "threads": torch.get_num_threads(), "python": platform.python_version()}
    if options.json:
        options.json.write_text(
            json.dumps({"rows": [row], "machine": {**machine, "torch": torch.__version__}}, indent=1)
        )


def seconds(call: Callable[[], None], *, times: int) -> float:
    """The median of so many calls, after one to warm up."""
    call()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return median(spent)


if __name__ == "__main__":
    main()
