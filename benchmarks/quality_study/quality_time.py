"""How long the trainings of `ssl_quality.py` take: lightly's and framegate's side by side, and the whole table's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from quality_study.quality_data import Stores, evaluate
from quality_study.quality_peers import query_images
from quality_study.quality_rows import OTHERS, Budget, Row, train

SHORT, LONG = 1, 3  # epochs of the two trainings whose difference is an epoch's time without what any training takes
ROUNDS = 3  # of which the middle one counts: a machine may be busy in one of them


def lightly_over_framegate(stores: Stores, budget: Budget, *, work: Path, extra: tuple[str, ...]) -> float:
    """Seconds that lightly takes for a query image over those of framegate, the two taking turns."""
    ratios = []
    for _ in range(ROUNDS):
        lightly, framegate = (
            _seconds(kind, stores, budget, work=work, extra=extra)[1] for kind in ("lightly", "framegate")
        )
        ratios.append(lightly / framegate)
        print(f"query images a second: framegate {1 / framegate:.0f}, lightly {1 / lightly:.0f}", flush=True)
    return statistics.median(ratios)


def print_estimate(
    rows: Sequence[Row], stores: Stores, budget: Budget, *, work: Path, extra: tuple[str, ...], jobs: int
) -> None:
    """Say what the rows will cost, by two short trainings with the threads that each of ``jobs`` has."""
    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    epoch = query_images(stores.training_clips, epochs=1, frames_per_epoch=budget.frames)
    cost = {}
    for kind in ("lightly", "framegate"):
        fixed, each = _seconds(kind, stores, budget, work=work, extra=extra)
        cost[kind] = fixed, epoch * each
        print(f"{kind}: {epoch * each:.1f} s for the {epoch} query images of an epoch ({1 / each:.0f}/s)", flush=True)
    backbone, _ = train(Row(name="x", kind="random", seed=0), stores, budget, work=work, extra=(), time_ratio=1)
    begin = time.perf_counter()
    evaluate(backbone, stores, audit_frames=450, bf16=budget.bf16)
    measuring = time.perf_counter() - begin
    total = 0.0
    for row in rows:
        fixed, every = cost["lightly" if row.kind in OTHERS else "framegate"]
        if row.kind in ("random", "imagenet"):
            total += measuring * (row.image_size // 64) ** 2
        elif row.kind == "imagenet-continued":  # a picture of 128 pixels takes about eight times as long
            total += 4 * measuring + fixed + 8 * budget.continued_epochs * every
        else:
            total += measuring + fixed + budget.epochs * row.share * every
    minutes = total / 60 / min(jobs, len(rows))
    print(f"measuring a row: {measuring:.0f} s; {len(rows)} rows, {jobs} at once: about {minutes:.0f} minutes")


def _seconds(kind: str, stores: Stores, budget: Budget, *, work: Path, extra: tuple[str, ...]) -> tuple[float, float]:
    """What any training takes, and what each query image adds."""
    seconds, images = [], []
    for epochs in (SHORT, LONG):
        row = Row(name=f"time-{kind}", kind=kind, seed=0)
        begin = time.perf_counter()
        images.append(train(row, stores, replace(budget, epochs=epochs), work=work, extra=extra, time_ratio=1)[1])
        seconds.append(time.perf_counter() - begin)
    each = (seconds[1] - seconds[0]) / (images[1] - images[0])
    return max(0.0, seconds[0] - images[0] * each), each
