"""The page of a pretraining run: curves, pairs of views, and frames with similar features."""

from typing import Any

from framegate.media import FrameStore
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.pretraining.online_probe import some_frames
from framegate.recipes.pretraining.pretrain_pictures import neighbour_strips, view_pairs
from framegate.recipes.pretraining.similarities import SimilarityHistograms
from framegate.recipes.reports.audit_page import add_audit
from framegate.recipes.reports.page import Name, Page
from framegate.recipes.reports.pretrain_curves import (
    audit_curves,
    embedding_curves,
    has_momentum,
    neighbour_curve,
    probe_curves,
    similarity_curves,
    training_curves,
)
from framegate.recipes.training.run_folder import RunFolder
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.diagnostics import collapse
from framegate.ssl.learning_state import learning_words


def write_pretrain_report(
    config: PretrainConfig,
    store: FrameStore,
    run: RunFolder,
    backbone: Backbone,
    *,
    audited: dict[str, Any] | None = None,
) -> None:
    """Write ``RUN/report.html``.

    Args:
        config: the recipe.
        store: what the run learnt from.
        run: its folder, with at least one row of metrics.
        backbone: as trained; some hundred frames are passed through it to find neighbours.
        audited: its audit, as `audit_values` gives it, where it was audited.
    """
    rows = run.rows()
    last = rows[-1]
    page = Page(
        ["framegate · ", Name(config.name)],
        f"{config.method.name}, {config.backbone.name} at {config.backbone.image_size} pixels, {last['step']} steps, "
        f"batch {config.optim.batch_size}, last loss {last['loss']:.3f}",
    )
    if words := collapse(rows):
        page.warning(f"{words} Lower optim.lr, lengthen optim.warmup_epochs, or raise the temperature or the batch.")
    elif words := learning_words(rows):
        page.note(words)
    page.heading("Training")
    momentum = " and momentum of the key encoder" if has_momentum(rows) else ""
    page.figure(training_curves(rows), f"Loss; learning rate{momentum}; speed and waiting for data")
    page.heading("Embedding")
    page.figure(
        embedding_curves(rows),
        "Alignment: mean squared distance between positives, lower is nearer. Uniformity: log mean of exp(−2 d²), "
        "lower is more spread, 0 is one point. Standard deviation and rank fall to 0 and 1 in a collapse.",
    )
    page.figure(
        similarity_curves(rows, SimilarityHistograms.read(run)),
        "Similarity of queries to their positives and their negatives",
    )
    if "queue_age" in last:
        page.note(f"The oldest key of the queue was {last['queue_age']:.0f} steps old.")
    if (kept := neighbour_curve(rows)) is not None:
        page.heading("What still changes")
        page.figure(
            kept,
            "Share of each held-out frame's ten nearest neighbours that were so at the look before, a twentieth of the "
            "run ago, and that a teacher finds near, too. At the end of every run the rate falls to 0 and all settles",
        )
    if (probes := probe_curves(rows)) is not None:
        page.heading("kNN probe")
        page.figure(probes, "Validation frames classified by their neighbours among labelled training frames")
    if (audits := audit_curves(rows)) is not None:
        page.heading("Shortcut audit while training")
        page.figure(audits, "Score of all overlays together, 1 is best; what features tell of them above chance")
    if audited is not None:
        add_audit(page, audited)
    page.heading("Views")
    page.picture(view_pairs(config, store), "Each frame's two views, side by side, in pairs")
    strips = neighbour_strips(store, some_frames(backbone, store))
    if strips is not None:
        page.heading("Neighbours")
        page.picture(strips, "Frames, and those of other sources that the backbone finds most alike, with their cosine")
    page.write(run.path / "report.html")
