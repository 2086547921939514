"""A step of MoCo v2 beside what no step can do without, and beside lightly's modules wired as in its MoCo example.

And a step of distillation, whose floor has the teacher's forward pass in the place of the key's; it has no peer here.

    python benchmarks/step.py [--quick] [--json FILE] [--case NAME]

The floor is the query's forward and backward pass, the key's forward pass and the optimizer's update of the same
backbone, in the same dtype and memory format, with plain batch norm: no head, no loss, no queue, no moving average, no
data. All take turns in every round, each round in another order, so that what else the machine does falls on all
alike; a row's ratio is the median over the rounds' ratios. A quick step feels that more, so each case goes on for at
least two minutes.
"""

import argparse
import copy
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch, step_generator
from framegate.ssl.methods.distill import Distill
from framegate.ssl.methods.moco import MoCo

Step = Callable[[], None]
ROUNDS = 15
SECONDS = 120.0


@dataclass(frozen=True)
class Case:
    name: str
    side: int
    batch: int
    queue: int
    symmetric: bool = False
    teacher: str | None = None
    teacher_side: int = 0

    def __str__(self) -> str:
        more = ", symmetric" if self.symmetric else ""
        more += f", taught by {self.teacher} at {self.teacher_side}" if self.teacher else ""
        return f"{self.name} at {self.side}, batch {self.batch}, queue {self.queue}{more}"


CASES = [
    Case("resnet18", 64, 128, 4096),
    Case("resnet18", 64, 128, 65536),
    Case("resnet18", 64, 64, 4096, symmetric=True),
    Case("efficientnet_b0", 128, 64, 4096),
    Case("efficientnet_b0", 128, 64, 65536),
    Case("resnet50", 224, 16, 4096),
    Case("resnet50", 224, 16, 65536),
    Case("resnet18", 64, 32, 1024, teacher="tf_efficientnet_lite0", teacher_side=128),
    Case("efficientnet_b0", 128, 64, 4096, teacher="tf_efficientnet_lite0", teacher_side=128),
]
TARGETS = {1024: 1.05, 4096: 1.05, 65536: 1.10}


def distil(case: Case, views: list[Tensor]) -> Step:
    method = Distill(make_backbone(case), make_teacher(case), queue=case.queue).to(memory_format=torch.channels_last)
    assert method.queue is not None
    features = nn.functional.normalize(torch.randn(case.queue, method.queue.keys.shape[1]), dim=1)
    method.queue.push(features, torch.arange(case.queue) + 1000)
    optimizer = make_optimizer(method)
    batch = ViewBatch(*views, torch.arange(case.batch), torch.arange(case.batch))
    generator = step_generator(seed=0, step=0, micro=0)

    def step() -> None:
        output = method(batch, generator)
        output.loss.backward()
        method.push(output)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def ours(case: Case, views: list[Tensor]) -> Step:
    moco = MoCo(make_backbone(case), queue=case.queue, symmetric=case.symmetric).to(memory_format=torch.channels_last)
    moco.queue.push(nn.functional.normalize(torch.randn(case.queue, 128), dim=1), torch.arange(case.queue) + 1000)
    optimizer = make_optimizer(moco)
    batch = ViewBatch(*views, torch.arange(case.batch), torch.arange(case.batch))
    generator = step_generator(seed=0, step=0, micro=0)

    def step() -> None:
        output = moco(batch, generator)
        output.loss.backward()
        moco.push(output)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        moco.update_key_encoder(0.999)

    return step


def floor(case: Case, views: list[Tensor]) -> Step:
    query = make_backbone(case).to(memory_format=torch.channels_last)
    key = copy.deepcopy(query) if case.teacher is None else make_teacher(case).to(memory_format=torch.channels_last)
    key.requires_grad_(False)
    optimizer = make_optimizer(query)
    first, second = (torch.cat(views),) * 2 if case.symmetric else views

    def step() -> None:
        with torch.no_grad():
            key(second)
        features = query(first)
        features.backward(torch.ones_like(features))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def lightly(case: Case, views: list[Tensor]) -> Step:
    from lightly.loss import NTXentLoss
    from lightly.models.modules import MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    backbone = make_backbone(case).to(memory_format=torch.channels_last)
    head = MoCoProjectionHead(backbone.dim, backbone.dim, 128)
    backbone_momentum, head_momentum = copy.deepcopy(backbone), copy.deepcopy(head)
    deactivate_requires_grad(backbone_momentum)
    deactivate_requires_grad(head_momentum)
    criterion = NTXentLoss(memory_bank_size=(case.queue, 128))
    optimizer = make_optimizer(nn.ModuleList([backbone, head]))
    halves = [(views[0], views[1]), (views[1], views[0])][: 2 if case.symmetric else 1]

    def step() -> None:
        update_momentum(backbone, backbone_momentum, m=0.999)
        update_momentum(head, head_momentum, m=0.999)
        losses = []
        for x_query, x_key in halves:
            query = head(backbone(x_query).flatten(start_dim=1))
            with torch.no_grad():
                key = head_momentum(backbone_momentum(x_key).flatten(start_dim=1)).detach()
            losses.append(criterion(query, key))
        torch.stack(losses).mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def make_backbone(case: Case) -> Backbone:
    torch.manual_seed(0)
    return Backbone(case.name, image_size=case.side).train()


def make_teacher(case: Case) -> Backbone:
    assert case.teacher is not None
    return Backbone(case.teacher, image_size=case.teacher_side).eval()


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.SGD(trained, lr=1e-4, momentum=0.9, weight_decay=1e-4)


def measure(case: Case, *, rounds: int, seconds_at_least: float) -> list[dict[str, Any]]:
    """Seconds of each contestant in each round, as the rows of the report."""
    generator = torch.Generator().manual_seed(0)
    views = [
        torch.randint(0, 256, (case.batch, 3, side, side), generator=generator)
        .byte()
        .contiguous(memory_format=torch.channels_last)
        for side in (case.side, case.teacher_side or case.side)
    ]
    contestants = (("ours", ours), ("floor", floor), ("lightly", lightly))
    if case.teacher is not None:
        contestants = (("ours", distil), ("floor", floor))
    steps = {name: make(case, views) for name, make in contestants}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    number, started = 0, time.perf_counter()
    while number < rounds + 2 or time.perf_counter() - started < seconds_at_least:
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            begin = time.perf_counter()
            steps[name]()
            if number >= 2:  # the first two rounds warm up
                seconds[name].append(time.perf_counter() - begin)
        number += 1
    return [row(case, seconds, peer) for peer in names if peer != "ours"]


def row(case: Case, seconds: dict[str, list[float]], peer: str) -> dict[str, Any]:
    ratios = [mine / theirs for mine, theirs in zip(seconds["ours"], seconds[peer], strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    mine, theirs = statistics.median(seconds["ours"]), statistics.median(seconds[peer])
    target = TARGETS[case.queue] if peer == "floor" else 1.0
    print(
        f"{case!s:85} ours {mine:7.3f} s   {peer:8}{theirs:7.3f} s   ratio {ratio:.3f} ({low:.3f} to {high:.3f})"
        f"   target {target}",
        flush=True,
    )
    fields = {"case": str(case), "ours": mine, "peer": theirs, "peer_name": peer, "unit": "s/step", "better": "lower"}
    return {**fields, "ratio": ratio, "quartiles": [low, high], "rounds": len(ratios), "target": target}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="the first two cases, a few rounds each")
    parser.add_argument("--case", default="", help="only cases whose name holds this")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="at least so many")
    options = parser.parse_args()
    cases = [case for case in (CASES[:2] if options.quick else CASES) if options.case in str(case)]
    rounds, seconds = (5, 0.0) if options.quick else (options.rounds, SECONDS)
    rows = [found for case in cases for found in measure(case, rounds=rounds, seconds_at_least=seconds)]
    if options.json:
        machine = {"cores": os.cpu_count(), "machine": platform.machine(), "torch": torch.__version__}
        options.json.write_text(json.dumps({"rows": rows, "machine": machine}, indent=1))


if __name__ == "__main__":
    main()
