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
    if values.get("wider"):  # an older audit of a run has no such key
        lines += ["", wider_heading(values), table(*wider_table(values)), ""]
    if found := values["found"]:
        lines.append(found_text(found))
    return "\n".join([*lines, *values["notes"]])


def audit_table(values: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table, with a row for each kind of overlay."""
    overlays = values["overlays"]
    return ["overlay", *_header(overlays)], [[kind, *_cells(row)] for kind, row in overlays.items()]


def wider_heading(values: dict[str, Any]) -> str:
    """Return a line with the score of the looks beyond overlays."""
    low, high = values["interval_wider"]
    return f"Wider: score {values['score_wider']:.3f} ({low:.3f}–{high:.3f})"


def wider_table(values: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of looks beyond overlays, each with the view that breaks it.

    The last column says how often the views of the backbone's recipe had that look.
    """
    wider = values["wider"]
    header = ["look", *_header(wider), "broken by", "in its recipe"]
    return header, [[kind, *_cells(row), row["view"], _in_recipe(row)] for kind, row in wider.items()]


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


def _header(rows: dict[str, Any]) -> list[str]:
    first = next(iter(rows.values()))
    return [
        "score",
        f"decodability (chance {first['decodability_chance']:.3f})",
        f"neighbours (chance {first['neighbours_chance']:.3f})",
        *("drift", "clean", "same", "swapped", "gap"),
    ]


def _in_recipe(row: dict[str, Any]) -> str:
    share = row["view_in_recipe"]
    return "not known" if share is None else f"{share:g} of views" if share else "no"


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
