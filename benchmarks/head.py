"""A training step of the head for large vocabularies: python benchmarks/head.py [--quick] [--train] [--json FILE]

Seconds and memory of forward, backward and AdamW on a batch of 128 vectors of 1,024 features, for 1,000, 27,000 and
60,000 leaves in three levels: the low-rank mixture of experts (4 experts, rank 128) beside a plain linear head under
softmax, and beside the full-rank mixture over all nodes. Times are medians of steps taken in turn in one process;
memory is the peak of the resident set over what a fresh process holds before it makes the head. Then accuracy: on 1,000
classes of several modes each, which no linear head separates, the low-rank mixture beside the full-rank one.

--train: 27,000 leaves in three levels, 200,000 separable rows, one epoch, beside full softmax, with tests on new rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from framegate.finetune.heads.experts import PathExperts
from framegate.finetune.losses.path_losses import LossConfig, hierarchical_loss
from framegate.finetune.taxonomy.hierarchy import Hierarchy, best_leaf
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

DIM, BATCH, EXPERTS, RANK = 1024, 128, 4, 128
LEAVES = (1_000, 27_000, 60_000)
TIME_TARGET, MEMORY_TARGET, MINUTES_TARGET, GIB_TARGET = 2.0, 1.6, 10.0, 6.0
Kind = str  # "ours", or a peer
PEERS: dict[Kind, str] = {"linear": "linear head", "full rank": "full-rank mixture"}


def three_levels(leaves: int) -> Taxonomy:
    """A tree whose families are all about as large: the cube root of the number of leaves."""
    roots = round(leaves ** (1 / 3))
    middle = roots**2
    return Taxonomy(
        (
            *(Node(f"r{i}") for i in range(roots)),
            *(Node(f"m{i}", f"r{i % roots}") for i in range(middle)),
            *(Node(f"x{i}", f"m{i % middle}") for i in range(leaves)),
        )
    )


class LinearHead(nn.Module):
    """A linear layer and softmax over the leaves: what one writes without a taxonomy."""

    def __init__(self, dim: int, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.scores = nn.Linear(dim, len(hierarchy.leaves))
        self.first_leaf = int(hierarchy.leaves[0])  # of these trees the leaves come last

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.scores(x), labels - self.first_leaf)

    def leaf(self, x: Tensor) -> Tensor:
        return self.scores(x).argmax(dim=1) + self.first_leaf


class MixtureHead(nn.Module):
    """framegate's head, trained on the labels' families alone (``rank`` given), or full rank over all nodes."""

    def __init__(self, dim: int, hierarchy: Hierarchy, *, rank: int | None) -> None:
        super().__init__()
        self.head, self.hierarchy, self.rank = PathExperts(dim, hierarchy, experts=EXPERTS, rank=rank), hierarchy, rank

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        rows = labels.unsqueeze(1)
        part = None if self.rank is None else self.hierarchy.part(rows)
        return hierarchical_loss(self.head(x, part), rows, self.hierarchy, LossConfig(), part=part).mean()

    def leaf(self, x: Tensor) -> Tensor:
        return best_leaf(self.head(x), self.hierarchy)


def make_head(kind: Kind, hierarchy: Hierarchy, dim: int = DIM) -> LinearHead | MixtureHead:
    torch.manual_seed(0)
    if kind == "linear":
        return LinearHead(dim, hierarchy)
    return MixtureHead(dim, hierarchy, rank=RANK if kind == "ours" else None)


def stepper(kind: Kind, hierarchy: Hierarchy, *, dim: int = DIM) -> Callable[[], None]:
    """A function that takes a whole training step of a new head."""
    head = make_head(kind, hierarchy, dim)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(1)

    def step() -> None:
        x = torch.randn(BATCH, dim, generator=generator)
        labels = hierarchy.leaves[torch.randint(len(hierarchy.leaves), (BATCH,), generator=generator)]
        head.loss(x, labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def step_seconds(hierarchy: Hierarchy, kinds: tuple[Kind, ...], *, steps: int, dim: int) -> dict[Kind, float]:
    """The median step of each head, all taking steps in turn."""
    steppers = {kind: stepper(kind, hierarchy, dim=dim) for kind in kinds}
    spent: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    for _ in range(steps + 1):
        for kind, step in steppers.items():
            begin = time.perf_counter()
            step()
            spent[kind].append(time.perf_counter() - begin)
    return {kind: statistics.median(times[1:]) for kind, times in spent.items()}  # the first makes AdamW's moments


def peak_mib(kind: Kind, leaves: int, dim: int) -> float:
    """Peak of resident memory over three steps, over what the process held before the head: asked of a new process."""
    command = [sys.executable, __file__, "--memory-of", kind, str(leaves), str(dim)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_peak(kind: Kind, leaves: int, dim: int) -> float:
    hierarchy = Hierarchy(three_levels(leaves))
    stepper(kind, Hierarchy(three_levels(27)), dim=dim)()  # what loads at first use, loads now
    before = resident_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    step = stepper(kind, hierarchy, dim=dim)
    for _ in range(3):
        step()
    return resident_mib("VmHWM") - before


def resident_mib(field: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def row(case: str, ours: float, peer: float, peer_name: str, unit: str, *, target: float | None, better: str) -> dict:
    wanted = "" if target is None else f" (wanted: {'≤' if better == 'lower' else '≥'} {target:g})"
    print(f"{case:44} {ours:9.4g} {unit}; {peer_name} {peer:.4g}: {ours / peer:.2f}{wanted}", flush=True)
    fields = {"case": case, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": unit}
    return {**fields, "better": better, "ratio": ours / peer, "target": target}


def step_rows(leaves: int, *, steps: int, peers: dict[Kind, str], dim: int = DIM) -> list[dict]:
    hierarchy = Hierarchy(three_levels(leaves))
    seconds = step_seconds(hierarchy, ("ours", *peers), steps=steps, dim=dim)
    memory = {kind: peak_mib(kind, leaves, dim) for kind in seconds}
    of = f"{leaves:,} leaves, {dim} features"
    rows = []
    for peer, name in peers.items():
        aimed_at = peer == "linear" and leaves == LEAVES[-1]
        time_target, memory_target = (TIME_TARGET, MEMORY_TARGET) if aimed_at else (None, None)
        rows += [
            row(f"step, {of}", seconds["ours"], seconds[peer], name, "s", target=time_target, better="lower"),
            row(f"memory, {of}", memory["ours"], memory[peer], name, "MiB", target=memory_target, better="lower"),
        ]
    return rows


def accuracy_rows(*, seeds: int, epochs: int) -> list[dict]:
    """Top-1 on new rows of 1,000 classes of four modes each."""
    hierarchy, found = Hierarchy(three_levels(1_000)), {}
    for kind in ("ours", "full rank", "linear"):
        found[kind] = statistics.mean(accuracy_of(kind, hierarchy, seed=seed, epochs=epochs) for seed in range(seeds))
    case = f"accuracy, 1,000 classes, {seeds} seeds"
    return [
        row(case, found["ours"], found["full rank"], "full-rank mixture", "top-1", target=0.99, better="higher"),
        row(case, found["ours"], found["linear"], "linear head", "top-1", target=None, better="higher"),
    ]


def accuracy_of(
    kind: Kind, hierarchy: Hierarchy, *, seed: int, epochs: int, dim: int = 512, directions: int = 64
) -> float:
    """A class shows in one of four contexts, and what tells it apart differs between them.

    It does so along 64 directions of 512 features, which all carry noise: more features than the low-rank head has
    ranks, and as in features of trained networks most directions say little.
    """
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, len(hierarchy), directions, generator=generator)
    contexts = torch.randn(4, directions, generator=generator) * 2
    along = torch.linalg.qr(torch.randn(dim, directions, generator=generator))[0].T

    def draw(count: int) -> tuple[Tensor, Tensor]:
        labels = hierarchy.leaves[torch.randint(len(hierarchy.leaves), (count,), generator=generator)]
        context = torch.randint(4, (count,), generator=generator)
        path = hierarchy.paths[labels]
        shown = centres[context.unsqueeze(1), path].sum(dim=1) + contexts[context]
        shown = shown + torch.randn(count, directions, generator=generator)
        return shown @ along + 0.3 * torch.randn(count, dim, generator=generator), labels

    train, test = draw(60_000), draw(5_000)
    head = make_head(kind, hierarchy, dim)
    train_head(head, *train, epochs=epochs, lr=5e-3, seed=seed)
    return accuracy(head, *test)


def train_head(
    head: LinearHead | MixtureHead,
    x: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    lr: float,
    seed: int,
    lr_before_scores: float | None = None,
) -> None:
    """AdamW on a one-cycle schedule. ``lr_before_scores``: of the gate and the projections; None: ``lr``."""
    scores = [p for name, p in head.named_parameters() if "scores" in name]
    before = [p for name, p in head.named_parameters() if "scores" not in name]
    rates = [lr, lr_before_scores or lr][: 1 + bool(before)]
    groups = [{"params": params} for params in (scores, before) if params]
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(seed)
    total = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=total, pct_start=0.1)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for chosen in order[: len(x) // BATCH * BATCH].split(BATCH):
            head.loss(x[chosen], labels[chosen]).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()


@torch.no_grad()
def accuracy(head: LinearHead | MixtureHead, x: Tensor, labels: Tensor) -> float:
    right = [head.leaf(rows) == wanted for rows, wanted in zip(x.split(BATCH), labels.split(BATCH), strict=True)]
    return float(torch.cat(right).float().mean())


def train_rows(*, leaves: int, count: int, dim: int = 256) -> list[dict]:
    """Each head in a process of its own, for the memory's sake."""
    found = {}
    for kind in ("ours", "linear"):
        command = [sys.executable, __file__, "--train-of", kind, str(leaves), str(count), str(dim)]
        found[kind] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ours, peer, name = found["ours"], found["linear"], "full softmax"
    of = f"one epoch of {count:,} rows, {leaves:,} leaves"
    points = row(f"{of}: accuracy", ours["accuracy"], peer["accuracy"], name, "top-1", target=None, better="higher")
    points["target"] = (peer["accuracy"] - 0.01) / peer["accuracy"]  # within one point
    return [
        points,
        row(f"{of}: time", ours["minutes"], peer["minutes"], name, "min", target=None, better="lower"),
        row(f"{of}: time against the limit", ours["minutes"], MINUTES_TARGET, "limit", "min", target=1, better="lower"),
        row(f"{of}: memory against the limit", ours["gib"], GIB_TARGET, "limit", "GiB", target=1, better="lower"),
    ]


def train_once(kind: Kind, leaves: int, count: int, dim: int) -> dict[str, float]:
    """Rows around a centre for each leaf: the sum of a vector for each node of its path, and noise half as large."""
    hierarchy = Hierarchy(three_levels(leaves))
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(len(hierarchy), dim, generator=generator)

    def draw(rows: int) -> tuple[Tensor, Tensor]:
        labels = hierarchy.leaves[torch.randint(len(hierarchy.leaves), (rows,), generator=generator)]
        shown = sum(centres[nodes] for nodes in hierarchy.paths[labels].unbind(dim=1))
        return shown + 0.5 * torch.randn(rows, dim, generator=generator), labels

    train, test = draw(count), draw(10_000)
    head = make_head(kind, hierarchy, dim)
    begin = time.perf_counter()
    # A leaf's own scores learn from a few rows, so they take long steps; the projections learn from all rows.
    lr, lr_before_scores = (1e-2, None) if kind == "linear" else (2e-2, 1e-3)
    train_head(head, *train, epochs=1, lr=lr, lr_before_scores=lr_before_scores, seed=0)
    minutes = (time.perf_counter() - begin) / 60
    return {"accuracy": accuracy(head, *test), "minutes": minutes, "gib": resident_mib("VmHWM") / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="less of everything, no large full-rank peers")
    parser.add_argument("--train", action="store_true", help="one epoch at 27,000 leaves instead")
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--train-of", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        kind, leaves, dim = options.memory_of
        print(measure_peak(kind, int(leaves), int(dim)))
        return
    if options.train_of:
        kind, *sizes = options.train_of
        print(json.dumps(train_once(kind, *map(int, sizes))))
        return
    if options.train:
        rows = train_rows(leaves=27_000, count=30_000 if options.quick else 200_000)
    else:
        steps, rows = 3 if options.quick else 9, []
        for leaves, dim in (*((leaves, DIM) for leaves in LEAVES), (LEAVES[-1], 192)):  # 192: the recipe's own width
            peers = PEERS if leaves == LEAVES[0] or not options.quick else {"linear": PEERS["linear"]}
            rows += step_rows(leaves, steps=steps, peers=peers, dim=dim)
        rows += accuracy_rows(seeds=1 if options.quick else 3, epochs=2 if options.quick else 6)
    machine = {"cpus": os.cpu_count(), "threads": torch.get_num_threads(), "python": platform.python_version()}
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "machine": machine | {"torch": torch.__version__}}, indent=1))


if __name__ == "__main__":
    main()
