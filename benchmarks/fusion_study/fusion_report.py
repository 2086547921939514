"""What the rows of `fusion.py` say: the table, and how they stand to what was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from framegate.finetune.data.batch import MODALITIES

Rows = dict[tuple[str, str, int], dict[str, Any]]
OURS = "reliability"


def points(found: Rows, kind: str, variant: str, *, of: str = "", how: str = "right") -> np.ndarray:
    """Accuracy in points by seed, as the clips are or with the modality ``of`` changed; empty where there is no row."""
    rows = [found[key] for key in sorted(found) if key[:2] == (kind, variant)]
    return np.array([100 * np.mean(row[of][how] if of else row["right"]) for row in rows])


def print_table(found: Rows) -> None:
    for variant in ("clean", "hard"):
        print(
            f"\n{variant:24}{'whole':>12}" + "".join(f"{f'{name}: removed noise swapped':>34}" for name in MODALITIES)
        )
        for kind in dict.fromkeys(key[0] for key in found):
            whole = points(found, kind, variant)
            if not len(whole):
                continue
            line = f"{kind:24}{whole.mean():6.1f} ±{whole.std():4.1f}"
            for name in MODALITIES:
                if name in next(row for key, row in found.items() if key[:2] == (kind, variant)):
                    changed = [
                        points(found, kind, variant, of=name, how=how) for how in ("removed", "noise", "swapped")
                    ]
                    line += " " * 13 + "".join(f"{values.mean():7.1f}" for values in changed)
                else:
                    line += " " * 34
            print(line)


def comparisons(found: Rows) -> list[dict[str, Any]]:
    """Rows in the house's format; ``ours`` and ``peer`` are means over seeds.

    ``target`` is for their difference in points, for the ``ratio`` of mean reliabilities, and for Spearman's ρ itself;
    None where nothing was asked.

    What was asked over concatenation is asked over the plain one, and over the one with our heads and broken clips. How
    much more there is to win over that one, :mod:`fusion_informed` shows.
    """
    lines: list[dict[str, Any]] = []

    def compare(case: str, ours: np.ndarray, peer: np.ndarray, peer_name: str, target: float | None) -> None:
        if not len(ours) or not len(peer):
            return
        gain = float(ours.mean() - peer.mean())
        lines.append(
            {
                **{"case": case, "ours": float(ours.mean()), "peer": float(peer.mean()), "peer_name": peer_name},
                **{"unit": "points", "better": "higher", "ratio": float(ours.mean() / max(1e-9, peer.mean()))},
                **{"difference": gain, "target": target, "interval": _interval(ours, peer)},
                "met": None if target is None else gain >= target,
            }
        )

    for variant in ("clean", "hard"):
        ours = points(found, OURS, variant)
        singles = {name: points(found, name, variant) for name in MODALITIES}
        best = max((name for name in singles if len(singles[name])), key=lambda name: singles[name].mean(), default="")
        if best:
            compare(f"{variant}: whole", ours, singles[best], f"best single modality, {best}", 10)
        concat = points(found, "concat", variant)
        for name in ("concat-plain", "concat"):
            compare(f"{variant}: whole", ours, points(found, name, variant), name, 3 if variant == "hard" else 0)
        compare(f"{variant}: informed", points(found, "informed", variant), concat, "concat", None)
        for other in (
            "gmu",
            "mean",
            "attention",
            *(
                k
                for k in dict.fromkeys(key[0] for key in found)
                if k.startswith("reliability-") or k in ("ogm-ge", "g-blending")
            ),
        ):
            compare(f"{variant}: whole", ours, points(found, other, variant), other, 0)
        for name in MODALITIES:
            if not len(ours):
                continue
            removed = points(found, OURS, variant, of=name, how="removed")
            compare(
                f"{variant}: {name} removed",
                removed,
                points(found, f"without-{name}", variant),
                f"trained without {name}",
                -2,
            )
            compare(
                f"{variant}: {name} noise",
                points(found, OURS, variant, of=name, how="noise"),
                removed,
                f"{name} removed",
                -3,
            )
            compare(
                f"{variant}: {name} swapped",
                points(found, OURS, variant, of=name, how="swapped"),
                removed,
                f"{name} removed",
                -10,
            )
            trust = [row[name]["trust"] for key, row in sorted(found.items()) if key[:2] == (OURS, variant)]
            for how, target in (("noise", 0.5), ("swapped", 1.0)):
                now, before = (np.array([each[which] for each in trust]) for which in (how, "whole"))
                share = float(now.mean() / before.mean())
                lines.append(
                    {
                        **{"case": f"{variant}: reliability of {name}, {how}", "ours": float(now.mean())},
                        **{"peer": float(before.mean()), "peer_name": "as it is", "unit": "mean reliability"},
                        **{"better": "lower", "ratio": share, "target": target, "met": share <= target},
                    }
                )
            rho = rank_correlation([row for key, row in found.items() if key[:2] == (OURS, variant)], name)
            lines.append(
                {
                    **{
                        "case": f"{variant}: score of {name} and its accuracy alone, ten bins",
                        "ours": rho,
                        "peer": None,
                    },
                    **{"peer_name": "", "unit": "Spearman", "better": "higher", "ratio": None, "target": 0.8},
                    "met": rho >= 0.8,
                }
            )
    compare(
        "clean: frames alone, pretrained backbone, frozen",
        points(found, "frames", "clean"),
        points(found, "frames-random", "clean"),
        "random backbone",
        0,
    )
    compare(
        "clean: all modalities, pretrained backbone, frozen",
        points(found, OURS, "clean"),
        points(found, "reliability-random", "clean"),
        "random backbone",
        0,
    )
    compare(
        "clean: frames alone, pretrained backbone, whole model",
        points(found, "frames-whole", "clean"),
        points(found, "frames-whole-random", "clean"),
        "random backbone",
        0,
    )
    return lines


def rank_correlation(rows: list[dict[str, Any]], modality: str, *, bins: int = 10) -> float:
    """Spearman's ρ of mean score and mean accuracy of the modality alone, in equal-count bins of the score."""
    here = np.concatenate([np.array(row[modality]["here"], dtype=bool) for row in rows])
    score = np.concatenate([np.array(row[modality]["score"]) for row in rows])[here]
    right = np.concatenate([np.array(row[modality]["alone"]) for row in rows])[here]
    parts = np.array_split(np.argsort(score, kind="stable"), bins)
    return float(spearmanr([score[part].mean() for part in parts], [right[part].mean() for part in parts]).statistic)


def _interval(ours: np.ndarray, peer: np.ndarray) -> list[float]:
    """Mean difference of paired seeds, ± 2 standard errors."""
    if len(ours) != len(peer) or len(ours) < 2:
        return []
    each = ours - peer
    half = 2 * each.std(ddof=1) / len(each) ** 0.5
    return [float(each.mean() - half), float(each.mean() + half)]


def print_comparisons(lines: list[dict[str, Any]]) -> None:
    print()
    for line in lines:
        peer = "" if line["peer"] is None else f" against {line['peer']:.3f} ({line['peer_name']})"
        low, high = line.get("interval") or (None, None)
        interval = "" if low is None else f"{line['difference']:+.2f} [{low:+.2f}, {high:+.2f}], "
        mark = {True: "met ", False: "MISS", None: "    "}[line["met"]]
        asked = "no target" if line["target"] is None else f"target {line['target']}"
        print(f"{mark} {line['case']}: {line['ours']:.3f}{peer}, {interval}{asked}")
