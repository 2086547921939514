"""The audit in words and tables."""

from typing import Any

from framegate.recipes.reports.results import table


def audit_text(values: dict[str, Any]) -> str:
    """Return the audit as text for a terminal."""
    low, high = values["interval"]
    lines = [
        f"score {values['score']:.3f} ({low:.3f}–{high:.3f}): 1 leans on no overlay, 0 on nothing else; "
        f"{values['frames']} frames, {values['classes']} classes",
        table(*audit_table(values)),
    ]
    if found := values["found"]:
        lines.append(found_text(found))
    return "\n".join([*lines, *values["notes"]])


def audit_table(values: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table, with a row for each kind of overlay."""
    first = next(iter(values["overlays"].values()))
    header = ["overlay", "score", "decodability", "neighbours", "drift", "clean", "same", "swapped", "gap"]
    header[2] += f" (chance {first['decodability_chance']:.3f})"
    header[3] += f" (chance {first['neighbours_chance']:.3f})"
    return header, [[kind, *_cells(row)] for kind, row in values["overlays"].items()]


def found_text(found: dict[str, Any]) -> str:
    """Return a sentence or two on the overlays that were found in the videos."""
    parts = [
        f"overlays found in {found['clips']} clips: masking them moves a frame by {found['drift']:.2f} of the distance "
        "between clips"
    ]
    for name, label in (
        ("decodability", "the look is read with"),
        ("same_look_neighbours", "neighbours of the same look"),
        ("accuracy", "accuracy"),
    ):
        if figures := found[name]:
            low, high = found["intervals"][name]
            parts.append(
                f"{label} {figures['raw']:.3f} raw, {figures['masked']:.3f} masked (difference {low:.3f} to {high:.3f})"
            )
    return "; ".join(parts)


def _cells(row: dict[str, Any]) -> list[str]:
    accuracy = row["accuracy"] or {}
    intervals = row["intervals"]

    def figure(value: float | None, name: str | None = None) -> str:
        if value is None:
            return "–"
        return f"{value:.3f}" + (" ({:.2f}–{:.2f})".format(*intervals[name]) if name else "")

    return [
        figure(row["score"], "score"),
        figure(row["decodability"], "decodability"),
        figure(row["same_overlay_neighbours"], "same_overlay_neighbours"),
        figure(row["drift"]),
        *(figure(accuracy.get(name)) for name in ("clean", "same", "swapped")),
        figure(row["gap"], "gap"),
    ]
