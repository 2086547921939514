"""Features of framegate and of lightly's MoCo on real pictures under station looks, at equal query images.

    python benchmarks/ssl_quality.py --pictures DIR --out FOLDER [--half report] [--rows NAME…] [--quick]

DIR holds labelled pictures in a category tree: Debian's package openclipart-png, `usr/share/openclipart/png` in it.
They are rendered as clips; in training nine in ten clips of a category carry its station's look, the tenth another's;
held-out pictures are shown clean, with the look of their category, and with another's. Everything is made once in
FOLDER and every row leaves its result there in a file of its own, so the table stops and goes on row by row. `--list`
names the rows, `--estimate` times a few steps and says what the table will cost. `--half tune` has other categories and
other seeds: defaults are tuned there, with `--set KEY=VALUE --tag NAME`, and reported on the other half. Rows of that
half measured so far lie in `quality_study/measured/quality_rows`. They are of the recipe before its settings became
`auto`: the same numbers at the full length, others at half of it; with today's recipe they are run again.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from quality_study.quality_data import Stores, evaluate, make_stores
from quality_study.quality_page import write_pages
from quality_study.quality_pictures import load_pictures
from quality_study.quality_report import comparisons, plot, print_comparisons, print_table
from quality_study.quality_rows import (
    ABLATIONS,
    OTHERS,
    SIDE,
    THRICE,
    Budget,
    Row,
    SkippedError,
    all_rows,
    recipe_digest,
    train,
)
from quality_study.quality_time import lightly_over_framegate, print_estimate
from shared.machine import machine

SEEDS = {"report": [0, 1, 2], "tune": [10, 11, 12]}
QUICK_ROWS = ("random", "lightly", "framegate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--half", choices=("report", "tune"), default="report")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="these alone; * and ? stand for letters")
    parser.add_argument("--list", action="store_true", help="name the rows, and which are done")
    parser.add_argument("--estimate", action="store_true", help="time two short trainings, and stop")
    parser.add_argument("--epochs", type=int, default=40, help="of lightly's symmetric MoCo; all others follow")
    parser.add_argument("--frames", type=int, default=1, help="of each clip that an epoch takes, 1 to 4")
    parser.add_argument("--continued-epochs", type=int, default=4, help="of pretraining from ImageNet's weights")
    parser.add_argument("--fp32", action="store_true", help="train all in fp32; default: all in bf16")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--jobs", type=int, default=2, help="rows at once, each with its share of the cores")
    parser.add_argument(
        "--thrice", nargs="*", default=THRICE, choices=ABLATIONS, metavar="NAME", help="ablations to run on all seeds"
    )
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="change framegate's recipe in its rows"
    )
    parser.add_argument("--tag", default="", help="added to the names of rows run with --set")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="write the table as Markdown, and the plot beside it")
    parser.add_argument("--quick", action="store_true", help="few pictures, two epochs, three rows")
    options = parser.parse_args()
    if options.set and not options.tag:
        parser.error("--set needs a --tag, so that its rows are told from the default's")
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")

    quick = options.quick
    budget = Budget(
        epochs=2 if quick else options.epochs,
        frames=4 if quick else options.frames,
        bf16=not options.fp32,
        continued_epochs=options.continued_epochs,
    )
    seeds = options.seeds or (SEEDS[options.half][:1] if quick else SEEDS[options.half])
    rows = all_rows(seeds, thrice=options.thrice)
    if quick:
        rows = [row for row in rows if row.kind in QUICK_ROWS and row.share == 1.0]
    if options.rows:
        rows = [row for row in rows if any(fnmatch.fnmatch(row.name, wanted) for wanted in options.rows)]
    out = options.out / (f"{options.half}-quick" if quick else options.half)
    (out / "rows").mkdir(parents=True, exist_ok=True)
    if options.list:
        for row in rows:
            print(f"{row.name:32}{'done' if _file(out, row, options.tag).exists() else ''}")
        return

    begun = time.monotonic()
    if options.estimate:
        stores = Data(options.pictures, options.half, out, quick=quick).stores(64)
        print_estimate(rows, stores, budget, work=out, extra=tuple(options.set), jobs=options.jobs)
        return
    run_rows(
        rows,
        Data(options.pictures, options.half, out, quick=quick),
        budget,
        out,
        extra=tuple(options.set),
        tag=options.tag,
        audit_frames=120 if quick else 450,
        jobs=options.jobs,
    )
    found = finished(out)
    print_table(found)
    lines = comparisons(found)
    print_comparisons(lines)
    plot(found, out / "correlation.png")
    print(f"\nthis call took {(time.monotonic() - begun) / 60:.1f} minutes; rows are in {out / 'rows'}")
    if options.page:
        missing = [row for row in all_rows(seeds, thrice=options.thrice) if row.name not in found]
        write_pages(options.page, found, missing=missing)
    if options.json:
        table = {name: {key: value for key, value in row.items() if key != "right"} for name, row in found.items()}
        options.json.write_text(json.dumps({"rows": lines, "machine": machine(), "table": table}, indent=1))


class Data:
    """The stores by image size, made when first asked for."""

    def __init__(self, pictures: Path, half: str, out: Path, *, quick: bool) -> None:
        self._pictures, self._half, self._out, self._quick = pictures, half, out, quick

    def stores(self, image_size: int) -> Stores:
        folder = self._out / f"stores-{image_size}"
        if (folder / "swapped" / "videos.arrow").exists():
            return Stores(folder)
        max_pictures, categories = (24, 6) if self._quick else (150, None)
        pictures = load_pictures(self._pictures, self._half, max_pictures=max_pictures, categories=categories)
        tests = sum(picture.is_test for picture in pictures)
        print(
            f"{self._half}: {len(pictures) - tests} training and {tests} test pictures, rendered into {folder}",
            flush=True,
        )
        return make_stores(folder, pictures, side=SIDE[image_size], seed=0 if self._half == "report" else 1)


def run_rows(
    rows: list[Row],
    data: Data,
    budget: Budget,
    out: Path,
    *,
    extra: tuple[str, ...],
    tag: str,
    audit_frames: int,
    jobs: int,
) -> None:
    """Run all rows that are not there yet, each in one of ``jobs`` processes; then what is timed, alone on all cores.

    A file made with other settings ends the call before anything is run, and a row that fails before others begin.
    """
    todo = []
    for row in rows:
        file = _file(out, row, tag)
        if not file.exists():
            todo.append(row)
        elif json.loads(file.read_text())["settings"] != _settings(row, budget, extra, audit_frames):
            raise SystemExit(
                f"{file} was made with other settings, or by another recipe: delete it, or name another --out"
            )
    for size in {row.image_size for row in todo}:
        data.stores(size)  # before rows would make them twice
    run = partial(run_row, data=data, budget=budget, out=out, extra=extra, tag=tag, audit_frames=audit_frames)
    spawn, threads = get_context("spawn"), max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, spawn, torch.set_num_threads, (threads,)) as pool:
        try:
            for done in as_completed([pool.submit(run, row) for row in todo if row.kind != "equal-time"]):
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for row in todo:
        if row.kind == "equal-time":
            run(row)


def run_row(
    row: Row, data: Data, budget: Budget, out: Path, *, extra: tuple[str, ...], tag: str, audit_frames: int
) -> None:
    """Train and measure a row, and leave its file."""
    file = _file(out, row, tag)
    print(f"{file.stem} …", flush=True)
    result: dict[str, Any] = {"row": file.stem, "kind": row.kind + (f"+{tag}" if tag else ""), "seed": row.seed}
    result |= {"share": row.share, "image_size": row.image_size}
    result["settings"] = _settings(row, budget, extra, audit_frames)
    stores = data.stores(row.image_size)
    ratio = 1.0
    if row.kind == "equal-time":
        ratio = result["time_ratio"] = lightly_over_framegate(stores, budget, work=out, extra=extra)
    try:
        begin, cpu = time.perf_counter(), _cpu_seconds()
        backbone, images = train(row, stores, budget, work=out, extra=extra, time_ratio=ratio)
    except SkippedError as reason:
        result["skipped"] = str(reason)
    else:
        trained = time.perf_counter()
        result |= {
            "images": images,
            "train_seconds": trained - begin,
            "train_cpu_seconds": _cpu_seconds() - cpu,
            **evaluate(backbone, stores, audit_frames=audit_frames, bf16=budget.bf16),
        }
        result["evaluate_seconds"] = time.perf_counter() - trained
    aside = file.with_suffix(".part")
    aside.write_text(json.dumps(result) + "\n")
    aside.replace(file)


def _settings(row: Row, budget: Budget, extra: tuple[str, ...], audit_frames: int) -> dict[str, Any]:
    """All that a row's figures depend on beside its name."""
    settings: dict[str, Any] = {**vars(budget), "audit_frames": audit_frames}
    if row.kind not in OTHERS:
        settings |= {"extra": list(extra), "recipe": recipe_digest()}
    return settings


def _cpu_seconds() -> float:
    """What this process and the data workers that have ended have computed."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def finished(out: Path) -> dict[str, dict[str, Any]]:
    """All rows that the folder holds, in the table's order."""
    found = [json.loads(file.read_text()) for file in sorted((out / "rows").glob("*.jsonl"))]
    order = {"random": 0, "lightly": 1, "framegate": 2}
    found.sort(key=lambda row: (row["image_size"], -row["share"], order.get(row["kind"], 3), row["row"]))
    return {row["row"]: row for row in found}


def _file(out: Path, row: Row, tag: str) -> Path:
    return out / "rows" / f"{row.name}{f'+{tag}' if tag and row.kind not in OTHERS else ''}.jsonl"


if __name__ == "__main__":
    main()
