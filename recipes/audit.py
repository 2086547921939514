"""Audit any backbone: how far it leans on subtitles, logos and borders."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from framegate.media import FrameStore
from framegate.recipes.audit_page import write_audit_page
from framegate.recipes.audit_text import audit_text
from framegate.recipes.outputs import claim_output
from framegate.recipes.probe import open_backbone
from framegate.recipes.probe_frames import probe_frames
from framegate.recipes.progress import WorkProgress
from framegate.recipes.results import Result
from framegate.recipes.run_folder import RunError
from framegate.ssl.audit import DEFINITION, Audit, audit, audit_light, pictures_to_do
from framegate.ssl.audit_found import FoundAudit, audit_found
from framegate.ssl.backbone import Backbone


def audit_backbone(
    reference: str,
    store: str | Path,
    *,
    arch: str | None = None,
    image_size: int | None = None,
    frames: int = 900,
    seed: int = 0,
    taxonomy: str | Path | None = None,
    page: str | Path | None = None,
) -> Result:
    """The audit of a backbone on a store, as `framegate.ssl.audit` defines it.

    Args:
        reference: a timm name, a backbone folder, or with ``arch`` a file of weights.
        store: a frame store; without labels, accuracy under overlays is left out.
        arch: the timm model that a file of weights belongs to.
        image_size: pixels a side; default: the backbone's own.
        frames: that take part, at most.
        seed: of the bank of overlays.
        taxonomy: default: the store's.
        page: where to write a page with plots; its picture goes beside it, as ``.png``.

    Raises:
        BackboneError: ``reference`` is no backbone, or does not take pictures of that size.
        OutputError: framegate did not write the page or the picture that is there.
        LabelError: the store's labels do not fit the taxonomy.
        ProbeError: the store holds a single clip.
        RunError: the page would take the place of its own picture.
    """
    page = None if page is None else Path(page)
    if page is not None and page.suffix == ".png":
        raise RunError(f"{page}: a page is HTML, and its picture goes beside it as .png: name the page .html")
    if page is not None:
        claim_output(page)
        claim_output(page.with_suffix(".png"))
    opened = FrameStore(store)
    backbone = open_backbone(reference, image_size=image_size, arch=arch)
    values = {"backbone": reference, **audit_values(backbone, opened, frames=frames, seed=seed, taxonomy=taxonomy)}
    text = audit_text(values)
    if page is not None:
        write_audit_page(page, values, opened, image_size=backbone.image_size)
        text += f"\n{page}"
    return Result(values, text)


def audit_values(
    backbone: Backbone,
    store: FrameStore,
    *,
    frames: int = 900,
    seed: int = 0,
    taxonomy: str | Path | None = None,
    visible: bool = True,
) -> dict[str, Any]:
    """The audit of a backbone at hand, as its JSON. ``visible``: show progress."""
    numbers = _candidates(store)
    known = probe_frames(store, numbers, taxonomy=taxonomy)
    total = pictures_to_do(len(numbers), most=frames, labelled=bool(known.levels))
    with WorkProgress("audit", total=total, visible=visible) as progress:
        painted = audit(
            backbone,
            store,
            numbers,
            known,
            image_size=backbone.image_size,
            most=frames,
            seed=seed,
            on_progress=lambda done: progress.update(min(done, total)),
        )
        progress.update(total)
    return _values(painted, audit_found(backbone, store, numbers, known, image_size=backbone.image_size), seed)


def audit_metrics(backbone: Backbone, store: FrameStore, *, frames: int = 240) -> dict[str, float]:
    """The light audit of a backbone in training, for a row of metrics and for W&B; takes about a second on a CPU."""
    numbers = _candidates(store)
    known = replace(probe_frames(store, numbers), levels={})
    return audit_light(backbone, store, numbers, known, image_size=backbone.image_size, most=frames)


def _candidates(store: FrameStore, *, most: int = 100_000) -> np.ndarray:
    """Frames to choose from: all, or of a large store so many, evenly spread, since more would only cost time."""
    return np.arange(len(store)) if len(store) <= most else np.linspace(0, len(store) - 1, most).astype(np.int64)


def _values(painted: Audit, found: FoundAudit | None, seed: int) -> dict[str, Any]:
    notes = list(painted.notes)
    if found is None:
        notes.append("extraction found overlays in fewer than two clips: nothing to mask")
    return {
        "score": painted.score,
        "interval": painted.interval,
        "definition": "\n\n".join(DEFINITION),
        "overlays": {kind: asdict(row) for kind, row in painted.overlays.items()},
        "found": asdict(found) if found else None,
        "frames": painted.frames,
        "classes": painted.classes,
        "seed": seed,
        "notes": notes,
    }
