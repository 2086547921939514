"""Audits of an open backbone, as rows of metrics and as JSON."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.recipes.pretraining.probe_frames import probe_frames
from framegate.recipes.training.progress import WorkProgress
from framegate.ssl.audit.audit import DEFINITION, Audit, audit, audit_light, pictures_to_do
from framegate.ssl.audit.audit_found import FoundAudit, audit_found
from framegate.ssl.backbones.backbone import Backbone


def audit_values(
    backbone: Backbone,
    store: FrameStore,
    *,
    frames: int = 900,
    seed: int = 0,
    taxonomy: str | Path | None = None,
    visible: bool = True,
) -> dict[str, Any]:
    """Audit an open backbone; return the values of the audit's JSON. ``visible``: show progress."""
    numbers = _candidates(store)
    known = probe_frames(store, numbers, taxonomy=taxonomy)
    total = pictures_to_do(len(numbers), max_frames=frames, labelled=bool(known.levels))
    with WorkProgress("audit", total=total, visible=visible) as progress:
        painted = audit(
            backbone,
            store,
            numbers,
            known,
            image_size=backbone.image_size,
            max_frames=frames,
            seed=seed,
            on_progress=lambda done: progress.update(min(done, total)),
        )
        progress.update(total)
    return _values(painted, audit_found(backbone, store, numbers, known, image_size=backbone.image_size), seed)


def audit_metrics(backbone: Backbone, store: FrameStore, *, frames: int = 240) -> dict[str, float]:
    """Audit a backbone in training lightly, for a row of metrics and W&B; this takes about a second on a CPU."""
    numbers = _candidates(store)
    known = replace(probe_frames(store, numbers), levels={})
    return audit_light(backbone, store, numbers, known, image_size=backbone.image_size, max_frames=frames)


def _candidates(store: FrameStore, *, max_frames: int = 100_000) -> np.ndarray:
    """Return the frames to choose from: all, or of a large store ``max_frames``; more would only cost time."""
    return evenly_spaced(len(store), max_frames)


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
