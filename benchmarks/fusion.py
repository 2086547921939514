"""Fusions of frames, sound and text on generated clips, clean and broken: python benchmarks/fusion.py --out FOLDER

Makes a corpus of 1,500 clips (500 of them test) and the features of frozen encoders in FOLDER, once
(`fusion_encoders.py`); then every fusion trains on the features alone, on clean clips and on the hard variant, in which
each modality of each clip is noise or another clip's by chance, in training and test, and nothing says so. Two kinds of
rows are for clean clips alone: the remedies for lazy modalities, and `frames-whole…`, which train the frame backbone,
too, for a fifth of the epochs and on two frames of a clip. Each row leaves a file in FOLDER/rows, so the table stops
and goes on row by row. Seeds other than the default are for tuning.

All fusions have the same streams, heads of the streams, broken training clips and schedule; `concat-plain` is
concatenation without any of framegate's: no heads of the streams, no broken clips. `informed` is no
fusion: it shows what there is to win (`fusion_informed.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from fusion_study.fusion_data import HARD_TEST, HARD_TRAIN, hard, load_data
from fusion_study.fusion_encoders import QUICK, Size, make_data
from fusion_study.fusion_informed import right_of_informed
from fusion_study.fusion_kinds import KINDS, Row
from fusion_study.fusion_report import comparisons, print_comparisons, print_table
from fusion_study.fusion_training import measure, train
from fusion_study.fusion_whole import right_of_whole
from shared.machine import machine

from framegate.finetune.taxonomy.taxonomy import Taxonomy

SEEDS = [0, 1, 2, 3, 4]
VARIANTS = ("clean", "hard")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the trainings")
    parser.add_argument("--corpus-seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), help="these alone")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="150 clips, a few epochs, one seed, the main rows")
    options = parser.parse_args()
    begun = time.monotonic()
    out = options.out / "quick" if options.quick else options.out
    seeds = options.seeds[:1] if options.quick else options.seeds
    epochs = 6 if options.quick else options.epochs
    kinds = options.kinds or (["audio", "concat", "reliability"] if options.quick else list(KINDS))
    make_data(out, QUICK if options.quick else Size(), seed=options.corpus_seed)
    (out / "rows").mkdir(exist_ok=True)
    rows = [(kind, variant, seed) for seed in seeds for kind in kinds for variant in VARIANTS]
    rows = [row for row in rows if row[1] in KINDS[row[0]].variants]
    todo = [(out, *row, epochs) for row in rows if not row_file(out, *row).exists()]
    print(f"{len(rows)} rows, {len(todo)} to train", flush=True)
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn"), initializer=_alone) as pool:
        for done, line in enumerate(pool.map(run_row, todo), start=1):
            print(f"{done}/{len(todo)} {line}", flush=True)
    found = {row: json.loads(row_file(out, *row).read_text()) for row in rows}
    if stale := [row for row, values in found.items() if values["epochs"] != epochs]:
        raise SystemExit(f"{row_file(out, *stale[0])} was made with other epochs: delete it, or name another --out")
    print_table(found)
    lines = comparisons(found)
    print_comparisons(lines)
    print(f"\nthis call took {(time.monotonic() - begun) / 60:.1f} minutes")
    if options.json:
        options.json.write_text(json.dumps({"rows": lines, "machine": machine()}, indent=1))


def row_file(out: Path, kind: str, variant: str, seed: int) -> Path:
    return out / "rows" / f"{kind}-{variant}-{seed}.json"


def run_row(row: tuple[Path, str, str, int, int]) -> str:
    """Train and measure one row, and leave its file."""
    out, name, variant, seed, epochs = row
    begin = time.perf_counter()
    what = KINDS[name]
    found: dict[str, Any]
    match what.by:
        case "whole":
            found = {"right": right_of_whole(out, what.backbone, seed=seed, epochs=max(1, epochs // 5))}
        case "informed":
            found = {"right": right_of_informed(out, is_hard=variant == "hard", seed=seed, epochs=epochs)}
        case "fusion":
            found = _fusion(out, what, variant, seed, epochs)
    found |= {"epochs": epochs, "seconds": time.perf_counter() - begin}
    file = row_file(out, name, variant, seed)
    aside = file.with_suffix(".part")
    aside.write_text(json.dumps(found))
    aside.replace(file)
    accuracy = sum(found["right"]) / len(found["right"])
    return f"{name} {variant} {seed}: {accuracy:.3f} in {found['seconds']:.0f} s"


def _fusion(out: Path, what: Row, variant: str, seed: int, epochs: int) -> dict[str, Any]:
    data = load_data(out, what.backbone)
    taxonomy = Taxonomy.read(out / "taxonomy.csv")
    is_hard = variant == "hard"
    clips = hard(data["train"], seed=HARD_TRAIN + seed) if is_hard else data["train"].whole
    tests = hard(data["test"], seed=HARD_TEST + seed) if is_hard else data["test"].whole
    model = train(what.kind, clips, data["train"], taxonomy, seed=seed, epochs=epochs)
    return measure(model, tests, data["test"])


def _alone() -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
