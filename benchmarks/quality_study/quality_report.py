"""What the rows of `ssl_quality.py` say: the table, differences with paired intervals, targets, and the plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

CONDITIONS = ("clean", "same", "swapped")
RESAMPLES = 2000
PLOTTED = ("random", "lightly", "framegate", "imagenet", "imagenet-continued")
BOUNDS = {"no-looks": 1.0, "supervised": 0.5, "supervised-no-looks": 0.5}  # and the share of the epochs they get


def balanced(right: np.ndarray, category: np.ndarray) -> float:
    """The mean over categories of the mean over their pictures (P,)."""
    return float(np.mean([right[category == name].mean() for name in np.unique(category)]))


def accuracies(row: dict[str, Any], probe: str = "knn") -> dict[str, float]:
    """Balanced accuracy in each condition, in points, and the gap."""
    category = np.array(row["category"])
    found = {name: 100 * balanced(np.array(row["right"][probe][name]), category) for name in CONDITIONS}
    return found | {"gap": found["same"] - found["swapped"]}


def paired(
    ours: list[dict[str, Any]], peers: list[dict[str, Any]], figure: str, *, factor: float = 1.0, probe: str = "knn"
) -> tuple[float, float, float]:
    """Ours less ``factor`` × the peer's, in points, with a 95% interval; rows of one seed stand at one place.

    Both seeds and pictures (within their category) are resampled, the same for both sides.
    """
    category = np.array(ours[0]["category"])

    def outcomes(rows: list[dict[str, Any]]) -> np.ndarray:
        right = {name: np.array([row["right"][probe][name] for row in rows]) for name in CONDITIONS}
        return 100 * (right["same"] - right["swapped"] if figure == "gap" else right[figure])

    difference = outcomes(ours) - factor * outcomes(peers)  # (seeds, pictures)
    weight = np.array([1 / (category == name).sum() for name in category]) / len(np.unique(category))
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(category == name) for name in np.unique(category)]
    differences = []
    for _ in range(RESAMPLES):
        pictures = np.concatenate([rng.choice(group, len(group)) for group in groups])
        seeds = rng.integers(len(difference), size=len(difference))
        differences.append((difference[np.ix_(seeds, pictures)] * weight[pictures]).sum() / len(seeds))
    low, high = np.percentile(differences, [2.5, 97.5])
    return float((difference * weight).sum() / len(difference)), float(low), float(high)


def of_kind(rows: dict[str, dict[str, Any]], kind: str, share: float = 1.0) -> list[dict[str, Any]]:
    """The finished rows of a kind, by seed."""
    found = [row for row in rows.values() if row["kind"] == kind and row["share"] == share and "right" in row]
    return sorted(found, key=lambda row: row["seed"])


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    """Every row: kNN and linear accuracy, the audit, the time."""
    print(
        f"\n{'row':28}{'kNN, k = 20, τ = 0.1':^30}{'linear probe':^30}{'audit':^26}{'images':>9}{'CPU s':>9}\n"
        f"{'':28}" + 2 * f"{'clean':>7}{'same':>7}{'swap':>7}{'gap':>7}  " + f"{'score':>7}{'decode':>8}{'near':>8}"
    )
    for name, row in rows.items():
        if "skipped" in row:
            print(f"{name:28}skipped: {row['skipped'].splitlines()[0]}")
            continue
        cells = "".join(
            "".join(f"{value:7.1f}" for value in accuracies(row, probe).values()) + "  " for probe in ("knn", "linear")
        )
        every = row["audit"]["overlays"]["all"]
        audit = f"{row['audit']['score']:7.3f}{every['decodability']:8.3f}{every['same_overlay_neighbours']:8.3f}"
        print(f"{name:28}{cells}{audit}{row['images']:12}{row['train_cpu_seconds']:9.0f}")


def comparisons(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The targets, the parts, the bounds and the audit as rows of the benchmark's JSON."""
    lines: list[dict[str, Any]] = []

    def compare(
        case: str, ours: list, peers: list, figure: str, target: float | None, name: str, factor: float = 1.0
    ) -> None:
        seeds = {row["seed"] for row in ours} & {row["seed"] for row in peers}
        ours, peers = ([row for row in side if row["seed"] in seeds] for side in (ours, peers))
        if not ours:
            lines.append(_line(case, figure, None, None, name, target, None))
            return
        mine, theirs = (float(np.mean([accuracies(row)[figure] for row in side])) for side in (ours, peers))
        lines.append(_line(case, figure, mine, theirs, name, target, paired(ours, peers, figure, factor=factor)))

    framegate, lightly, half = (of_kind(rows, "framegate"), of_kind(rows, "lightly"), of_kind(rows, "framegate", 0.5))
    compare("framegate − lightly", framegate, lightly, "clean", 3.0, "lightly MoCo")
    compare("framegate − lightly", framegate, lightly, "swapped", 5.0, "lightly MoCo")
    compare("framegate − ½ lightly", framegate, lightly, "gap", 0.0, "lightly MoCo", factor=0.5)
    for figure in ("clean", "swapped", "gap"):
        compare("at equal wall time", of_kind(rows, "equal-time"), lightly, figure, None, "lightly MoCo")
        for bound, share in BOUNDS.items():
            compare(f"from the bound {bound}", framegate, of_kind(rows, bound, share), figure, None, bound)
        for kind in sorted({row["kind"] for row in rows.values() if row["share"] == 0.5} - {"framegate", *BOUNDS}):
            part, *tag = kind.split("+")
            base = of_kind(rows, "+".join(["framegate", *tag]), 0.5)
            if part != "framegate":
                compare(f"{'+'.join(['default', *tag])} − {part}", base, of_kind(rows, kind, 0.5), figure, None, kind)
            else:
                compare(f"default − {kind}", half, base, figure, None, kind)
    continued = of_kind(rows, "imagenet-continued")
    start = [{**row, "seed": other["seed"]} for row in of_kind(rows, "imagenet") for other in continued]
    compare("continued − ImageNet", continued, start, "clean", 0.0, "ImageNet EfficientNet-Lite0")
    compare("continued − ½ ImageNet", continued, start, "gap", 0.0, "ImageNet EfficientNet-Lite0", factor=0.5)
    for figure, chance in (("decodability", "decodability_chance"), ("same_overlay_neighbours", "neighbours_chance")):
        if framegate and lightly:
            mine, theirs = (
                float(
                    np.mean(
                        [
                            row["audit"]["overlays"]["all"][figure] - row["audit"]["overlays"]["all"][chance]
                            for row in side
                        ]
                    )
                )
                for side in (framegate, lightly)
            )
            lines.append(_line("audit, above chance", figure, mine, theirs, "lightly MoCo", 0.5, None))
    return lines


def _line(
    case: str, figure: str, ours: float | None, peer: float | None, name: str, target: float | None, interval: Any
) -> dict[str, Any]:
    better = "lower" if figure in ("gap", "decodability", "same_overlay_neighbours") else "higher"
    unit = "share" if better == "lower" and figure != "gap" else "points"
    ratio = ours / peer if ours is not None and peer else None
    line = {"case": f"{case}: {figure}", "ours": ours, "peer": peer, "peer_name": name, "unit": unit, "better": better}
    line |= {"ratio": ratio, "target": target}
    return line | ({"difference": interval[0], "low": interval[1], "high": interval[2]} if interval else {})


def print_comparisons(lines: list[dict[str, Any]]) -> None:
    """A line for each comparison for which both sides are there."""
    print()
    for line in lines:
        if line["ours"] is None or line["peer"] is None:
            continue
        target = "" if line["target"] is None else f"   target {line['target']:g}"
        beside = f"{line['ours']:7.3f} beside {line['peer']:7.3f} ({line['peer_name']})"
        interval = f"   {line['difference']:+6.2f} [{line['low']:+.2f}, {line['high']:+.2f}]" if "low" in line else ""
        print(f"{line['case']:44}{beside}{interval}{target}")


def plot(rows: dict[str, dict[str, Any]], path: Path) -> bool:
    """Accuracy of the audit's linear probe over the overlays' correlation with the class, side by side.

    Returns:
        Whether there was something to draw.
    """
    sides = {kind: of_kind(rows, kind) for kind in PLOTTED}
    sides = {kind: found for kind, found in sides.items() if found and found[0]["audit"]["overlays"]["all"]["by_rho"]}
    if not sides:
        return False
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, condition in zip(figure.subplots(1, 3, sharey=True), CONDITIONS, strict=True):
        for kind, found in sides.items():
            curves = [[100 * at[condition] for at in row["audit"]["overlays"]["all"]["by_rho"]] for row in found]
            rhos = [at["rho"] for at in found[0]["audit"]["overlays"]["all"]["by_rho"]]
            axes.plot(rhos, np.mean(curves, axis=0), "o-", label=kind)
            axes.fill_between(rhos, np.min(curves, axis=0), np.max(curves, axis=0), alpha=0.15)
        axes.set(title=f"{condition} overlays in test frames", xlabel="correlation ρ in training frames")
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    return True
