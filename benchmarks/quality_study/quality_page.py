"""The page of `ssl_quality.py`: what was measured, what was not, and how to measure it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quality_study.quality_report import accuracies, comparisons, plot
from quality_study.quality_rows import Row

_HEAD = """# How good the features are, and how far they lean on overlays: {start}

Written by `benchmarks/ssl_quality.py --page`; nothing here is typed by hand.

Labelled clipart is rendered as clips (pan, zoom, light, background, H.264). In training, nine in ten clips of a
category carry its station's look (logo, subtitle style, bars), the tenth another's; held-out pictures are shown
**clean**, with the look of their category (**same**) and with another's (**swapped**). The looks are drawn by OpenCV
alone, and probes see raw frames. {rows} Figures are balanced accuracies in points; kNN has k = 20 and τ = 0.1, and its
memory is the training frames with their looks. The gap is same − swapped.
Categories and seeds on which defaults were tuned are not among these.

    apt-get download openclipart-png && dpkg -x openclipart-png_*.deb MEDIA
    PICTURES=MEDIA/usr/share/openclipart/png
    PAGE=benchmarks/quality_study/measured/QUALITY.md
    python benchmarks/ssl_quality.py --pictures $PICTURES --out FOLDER --page $PAGE{options}

stops and goes on row by row; `--list` names the rows, `--estimate` says what they will cost, `--quick` is a taste.
"""
_FROM_RANDOM = """All rows: ResNet-18 from random weights at 64 pixels, and but for `equal-time` at most as many
query images as lightly's MoCo, which is wired as in its own CIFAR-10 benchmark, has in {epochs} epochs (rows with “½”:
in {half}), all in {precision}. framegate is the recipe `moco_small` as it comes, with an optimizer, batch, queue and
momentum of its own; the row `lightly-schedule` has all its parts with lightly's."""
_FROM_IMAGENET = """All rows: EfficientNet-Lite0 at 128 pixels with ImageNet's weights, as they are, and pretrained
further with the recipe `moco_small` at a lower rate, for as many query images as a symmetric MoCo has in {continued}
epochs, in {precision}."""


def write_pages(path: Path, rows: dict[str, dict[str, Any]], *, missing: Sequence[Row]) -> None:
    """Write the page of the rows from random weights, and ``…-IMAGENET.md`` beside it, each with a plot.

    A page of which no row is measured is left as it is.

    Args:
        path: of the first page.
        rows: finished ones, by name.
        missing: those that are still to be run.
    """
    for of_imagenet in (False, True):
        page = path.with_stem(path.stem + "-IMAGENET") if of_imagenet else path
        chosen = {name: row for name, row in rows.items() if (row["image_size"] == 128) == of_imagenet}
        absent = [row.name for row in missing if (row.image_size == 128) == of_imagenet]
        _write_page(page, chosen, missing=absent, of_imagenet=of_imagenet)


def _write_page(path: Path, rows: dict[str, dict[str, Any]], *, missing: Sequence[str], of_imagenet: bool) -> None:
    measured = {name: row for name, row in rows.items() if "right" in row}
    if not measured:
        return
    settings = next(iter(measured.values()))["settings"]
    parts = [
        _HEAD.format(
            start="from ImageNet's weights" if of_imagenet else "from random weights",
            rows=(_FROM_IMAGENET if of_imagenet else _FROM_RANDOM).format(
                epochs=settings["epochs"],
                half=round(settings["epochs"] / 2),
                continued=settings["continued_epochs"],
                precision="bf16" if settings["bf16"] else "fp32",
            ),
            options=(" --rows 'imagenet*'" if of_imagenet else "") + ("" if settings["bf16"] else " --fp32"),
        ),
        "## Rows",
        _table(
            (
                "row",
                "clean",
                "same",
                "swapped",
                "gap",
                "linear clean",
                "swapped",
                "audit",
                "read",
                "near",
                "CPU minutes",
            ),
            [_cells(name, row) for name, row in measured.items()],
        ),
        "Audit: the score of `framegate audit`, 1 where overlays leave no trace. Read: how often a linear probe names "
        "one of 12 painted overlays (chance 0.083). Near: neighbours with the same painted overlay (chance: the same). "
        "CPU minutes of rows that different machines made cannot be compared.",
    ]
    tags = {name.partition("+")[2]: row["settings"]["extra"] for name, row in measured.items() if "+" in name}
    if tags:
        changed = "; ".join(f"`+{tag}` with {', '.join(f'`{key}`' for key in extra)}" for tag, extra in tags.items())
        parts.append(f"Rows of a changed recipe, compared with the default so changed: {changed}.")
    skipped = [f"`{name}`: {row['skipped'].splitlines()[0]}" for name, row in rows.items() if "skipped" in row]
    if skipped:
        parts.append("Left out: " + "; ".join(skipped) + ".")
    parts += [
        f"`{name}`: side by side, on the machine that made this row, lightly takes {row['time_ratio']:.2f} times as "
        f"long for a query image as framegate; the row has {row['time_ratio']:.2f} times lightly's query images."
        for name, row in measured.items()
        if "time_ratio" in row
    ]
    if missing:
        parts.append(f"**Not measured yet**: {', '.join(f'`{name}`' for name in missing)}.")
    compared = [line for line in comparisons(rows) if line["ours"] is not None and line["peer"] is not None]
    if compared:
        parts += [
            "## Comparisons",
            "Differences with 95% intervals, paired by seed and picture.",
            _table(("what", "ours", "peer", "difference", "target"), [_compared(line) for line in compared]),
        ]
    picture = path.parent / "quality_rows" / ("quality-imagenet.png" if of_imagenet else "quality.png")
    picture.parent.mkdir(exist_ok=True)
    if plot(measured, picture):
        parts += [
            "## Accuracy against overlay correlation",
            "![accuracy of the audit's linear probe over the overlays' correlation with the class]"
            f"({picture.relative_to(path.parent)})",
        ]
    path.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


def _cells(name: str, row: dict[str, Any]) -> list[str]:
    every = row["audit"]["overlays"]["all"]
    knn, linear = accuracies(row, "knn"), accuracies(row, "linear")
    figures = [*(knn[key] for key in ("clean", "same", "swapped", "gap")), linear["clean"], linear["swapped"]]
    audit = [row["audit"]["score"], every["decodability"], every["same_overlay_neighbours"]]
    share = " ½" if row["share"] == 0.5 else ""
    return [
        f"{name}{share}",
        *(f"{value:.1f}" for value in figures),
        *(f"{value:.3f}" for value in audit),
        f"{row['train_cpu_seconds'] / 60:.1f}",
    ]


def _compared(line: dict[str, Any]) -> list[str]:
    interval = f"{line['difference']:+.2f} [{line['low']:+.2f}, {line['high']:+.2f}]" if "low" in line else "–"
    target = "–" if line["target"] is None else f"{line['target']:g}"
    return [
        f"{line['case']} ({line['peer_name']})",
        f"{line['ours']:.3g}",
        f"{line['peer']:.3g}",
        interval,
        target,
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
