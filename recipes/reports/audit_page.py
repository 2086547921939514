"""The audit as a page, as a figure, and as a section of reports and model cards."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from framegate.augment import plain_view
from framegate.media import FrameStore
from framegate.media.manifest.paths import final_name
from framegate.recipes.reports.audit_text import audit_table, found_text, wider_heading, wider_table
from framegate.recipes.reports.outputs import signed_picture, write_output
from framegate.recipes.reports.page import Name, Page
from framegate.ssl.audit.audit import DEFINITION
from framegate.ssl.audit.audit_overlays import KINDS, paint
from framegate.ssl.audit.wider_looks import LOOKS, WiderKind

_COLOURS = {"clean": "tab:gray", "same": "tab:orange", "swapped": "tab:blue"}


def write_audit_page(path: Path, values: dict[str, Any], store: FrameStore, *, image_size: int) -> None:
    """Write a self-contained page, and its figure beside it as a picture (``.png``)."""
    page = Page("framegate · shortcut audit", Name(final_name(str(values["backbone"]))))
    add_audit(page, values)
    page.heading("What was painted")
    sheet = painted_frames(store, image_size=image_size, seed=values["seed"])
    page.picture(sheet, "The same frames plain, then with subtitles, logos, borders, and all together")
    for kind, row in (values.get("wider") or {}).items():
        looks = row["looks"]
        page.picture(
            wider_frames(store, kind, image_size=image_size, seed=values["seed"], words=looks),
            f"{kind}: a frame plain, then {' · '.join(looks[: LOOKS // 2])}; below: plain, then "
            f"{' · '.join(looks[LOOKS // 2 :])}",
        )
    page.heading("Definition")
    for paragraph in DEFINITION:
        page.note(paragraph)
    page.write_output(path)
    picture = io.BytesIO()
    audit_figure(values["overlays"]).savefig(picture, format="png", dpi=110)
    write_output(path.with_suffix(".png"), signed_picture(picture.getvalue()))


def add_audit(page: Page, values: dict[str, Any]) -> None:
    """Add the audit to a report, as a section."""
    low, high = values["interval"]
    page.heading(f"Shortcut audit: score {values['score']:.3f} ({low:.3f}–{high:.3f})")
    page.note("1: overlays leave no trace in the features; 0: features tell nothing else.")
    page.table(*audit_table(values))
    page.figure(
        audit_figure(values["overlays"]),
        "Left: what the features tell of a painted overlay. Right: what overlays do to accuracy",
    )
    if values.get("wider"):  # an older audit of a run has no such key
        page.heading(wider_heading(values))
        page.note("The same measures of what else a network can live off, each with the view that breaks it.")
        page.table(*wider_table(values))
        page.figure(
            audit_figure(values["wider"]), "Left: what the features tell of a look. Right: what looks do to accuracy"
        )
    if values["found"]:
        page.note(found_text(values["found"]))
    for note in values["notes"]:
        page.note(note)


def audit_card(values: dict[str, Any]) -> str:
    """Return the audit as a section of a model card, in Markdown."""
    low, high = values["interval"]
    header, rows = audit_table(values)
    lines = [
        "## Shortcut audit",
        f"Score **{values['score']:.3f}** (95% interval {low:.3f}–{high:.3f}): 1 where overlays leave no trace in the "
        f"features, 0 where features tell nothing else. {values['frames']} frames, {values['classes']} classes, by "
        "`framegate audit`.",
        "",
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    if values["found"]:
        lines += ["", found_text(values["found"])]
    return "\n".join(lines) + "\n"


def audit_figure(overlays: dict[str, Any]) -> Figure:
    """Plot decodability and neighbours beside chance, and accuracy over the overlays' correlation with the class.

    ``overlays`` are the audit's rows by kind, those of overlays or the wider ones.
    """
    labelled = [kind for kind, row in overlays.items() if row["by_rho"]]
    figure = Figure(figsize=(4.5 + 2.6 * len(labelled), 3.2), layout="constrained")
    axes = np.atleast_1d(
        figure.subplots(1, 1 + len(labelled), width_ratios=[1.6] + [1] * len(labelled), squeeze=False)[0]
    )
    bars, places = axes[0], np.arange(len(overlays))
    for shift, name, chance, label in (
        (-0.2, "decodability", "decodability_chance", "overlay read by a linear probe"),
        (0.2, "same_overlay_neighbours", "neighbours_chance", "neighbours with the same overlay"),
    ):
        heights = [row[name] for row in overlays.values()]
        errors = np.array([row["intervals"][name] for row in overlays.values()]).T
        bars.bar(places + shift, heights, 0.38, label=label, yerr=np.abs(errors - heights), capsize=2)
        bars.hlines([row[chance] for row in overlays.values()], places + shift - 0.19, places + shift + 0.19, "black")
    bars.set(xticks=places, xticklabels=list(overlays), ylim=(0, 1), title="black: chance")
    bars.legend(fontsize="x-small", loc="upper left")
    for plot, kind in zip(axes[1:], labelled, strict=True):
        rows = overlays[kind]["by_rho"]
        for name, colour in _COLOURS.items():
            plot.plot([row["rho"] for row in rows], [row[name] for row in rows], "o-", color=colour, label=name)
        plot.set(title=kind, xlabel="correlation ρ", ylim=(0, 1))
    if labelled:
        axes[1].set_ylabel("balanced accuracy")
        axes[1].legend(fontsize="x-small")
    return figure


def painted_frames(store: FrameStore, *, image_size: int, seed: int, columns: int = 8) -> np.ndarray:
    """Draw a sheet (H, W, 3) uint8 of frames, plain in the first row and with each kind of overlay in the others."""
    frames = np.linspace(0, len(store) - 1, columns).astype(int)
    views = np.stack([plain_view(store.jpeg(int(frame)), image_size) for frame in frames])
    rows = [views, *(paint(views, kind, np.arange(columns), frames, seed=seed) for kind in KINDS)]
    return _sheet(rows)


def wider_frames(store: FrameStore, kind: WiderKind, *, image_size: int, seed: int, words: Sequence[str]) -> np.ndarray:
    """Draw a sheet (H, W, 3) uint8 of one frame in two rows: plain, then with half of the looks of a kind each."""
    frame = len(store) // 2
    plain = plain_view(store.jpeg(frame), image_size)
    views, frames = np.repeat(plain[None], LOOKS, axis=0), np.full(LOOKS, frame)
    painted = paint(views, kind, np.arange(LOOKS), frames, seed=seed, words=words)
    return _sheet([[plain, *painted[: LOOKS // 2]], [plain, *painted[LOOKS // 2 :]]])


def _sheet(rows: Sequence[Sequence[np.ndarray] | np.ndarray]) -> np.ndarray:
    return np.vstack([np.hstack([np.pad(view, ((2, 2), (2, 2), (0, 0))) for view in row]) for row in rows])
