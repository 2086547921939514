"""Audits of an open backbone, as rows of metrics and as JSON."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from framegate.augment import TracePolicy
from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.recipes.pretraining.probe_frames import probe_frames
from framegate.recipes.training.progress import WorkProgress
from framegate.ssl.audit.audit import DEFINITION, Audit, audit, audit_light, pictures_to_do
from framegate.ssl.audit.audit_found import FoundAudit, audit_found
from framegate.ssl.audit.audit_overlays import KINDS
from framegate.ssl.audit.wider_looks import WIDER
from framegate.ssl.backbones.backbone import Backbone


def audit_values(
    backbone: Backbone,
    store: FrameStore,
    *,
    frames: int = 900,
    seed: int = 0,
    taxonomy: str | Path | None = None,
    visible: bool = True,
    wider: bool = False,
    traces: TracePolicy | None = None,
) -> dict[str, Any]:
    """Audit an open backbone; return the values of the audit's JSON.

    Args:
        backbone: on any device.
        store: what it is audited on.
        frames: number of frames that take part, at most.
        seed: of the banks of looks.
        taxonomy: default: the store's.
        visible: show progress.
        wider: whether to measure looks beyond overlays, too; this takes about twice as long.
        traces: how often the views that the backbone learnt from had these looks; None: it is not known.

    Raises:
        LabelError: the store's labels do not fit the taxonomy.
        ProbeError: the store holds a single clip.
    """
    numbers = _candidates(store)
    known = probe_frames(store, numbers, taxonomy=taxonomy)
    beyond = WIDER if wider else ()
    kinds = len(KINDS) + len(beyond)
    total = pictures_to_do(len(numbers), max_frames=frames, kinds=kinds, labelled=bool(known.levels))
    with WorkProgress("audit", total=total, visible=visible) as progress:
        painted = audit(
            backbone,
            store,
            numbers,
            known,
            image_size=backbone.image_size,
            max_frames=frames,
            wider=beyond,
            seed=seed,
            on_progress=lambda done: progress.update(min(done, total)),
        )
        progress.update(total)
    found = audit_found(backbone, store, numbers, known, image_size=backbone.image_size)
    return _values(painted, found, seed, traces)


def audit_metrics(backbone: Backbone, store: FrameStore, *, frames: int = 240) -> dict[str, float]:
    """Audit a backbone in training lightly, for a row of metrics and W&B; this takes about a second on a CPU."""
    numbers = _candidates(store)
    known = replace(probe_frames(store, numbers), levels={})
    return audit_light(backbone, store, numbers, known, image_size=backbone.image_size, max_frames=frames)


def _candidates(store: FrameStore, *, max_frames: int = 100_000) -> np.ndarray:
    """Return the frames to choose from: all, or of a large store ``max_frames``; more would only cost time."""
    return evenly_spaced(len(store), max_frames)


def _values(painted: Audit, found: FoundAudit | None, seed: int, traces: TracePolicy | None) -> dict[str, Any]:
    notes = list(painted.notes)
    if found is None:
        notes.append("extraction found overlays in fewer than two clips: nothing to mask")
    return {
        "score": painted.score,
        "interval": painted.interval,
        "definition": "\n\n".join(DEFINITION),
        "overlays": {kind: asdict(row) for kind, row in painted.overlays.items()},
        "score_wider": painted.score_wider,
        "interval_wider": painted.interval_wider,
        "wider": _wider_values(painted, traces) if painted.wider else None,
        "found": asdict(found) if found else None,
        "frames": painted.frames,
        "classes": painted.classes,
        "seed": seed,
        "notes": notes,
    }


def _wider_values(painted: Audit, traces: TracePolicy | None) -> dict[str, Any]:
    """Return the rows beyond overlays, each with the view that breaks it, and how often the recipe had that view."""
    return {
        kind: {
            **asdict(row),
            "looks": list(painted.looks[kind]),
            "view": f"views.traces.{kind}",
            "view_in_recipe": None if traces is None else getattr(traces, kind),
        }
        for kind, row in painted.wider.items()
    }
