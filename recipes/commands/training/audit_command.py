"""Audit any backbone: how much its features depend on subtitles, logos and borders, and on what else it can read."""

from pathlib import Path

from framegate.augment import TracePolicy
from framegate.media import FrameStore
from framegate.recipes.commands.training.probe_command import open_backbone
from framegate.recipes.pretraining.audit_rows import audit_values
from framegate.recipes.reports.audit_page import write_audit_page
from framegate.recipes.reports.audit_text import audit_text
from framegate.recipes.reports.cards import recipe_of_card
from framegate.recipes.reports.outputs import claim_output
from framegate.recipes.reports.results import Result
from framegate.recipes.training.run_folder import RunError


def audit_backbone(
    reference: str,
    store: str | Path,
    *,
    arch: str | None = None,
    image_size: int | None = None,
    frames: int = 900,
    seed: int = 0,
    wider: bool = False,
    taxonomy: str | Path | None = None,
    page: str | Path | None = None,
) -> Result:
    """Audit a backbone on a store; `framegate.ssl.audit.audit` defines the values.

    Args:
        reference: a timm name, a backbone folder, or with ``arch`` a file of weights.
        store: a frame store; without labels, accuracy under overlays is left out.
        arch: the timm model that a file of weights belongs to.
        image_size: pixels a side; default: the backbone's own.
        frames: that take part, at most.
        seed: of the banks of overlays and other looks.
        wider: whether to measure looks beyond overlays, too: codec, resolution, grade, words and date. This takes about
            twice as long.
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
    audited = audit_values(
        backbone,
        opened,
        frames=frames,
        seed=seed,
        taxonomy=taxonomy,
        wider=wider,
        traces=_traces_of(reference) if wider else None,
    )
    values = {"backbone": reference, **audited}
    text = audit_text(values)
    if page is not None:
        write_audit_page(page, values, opened, image_size=backbone.image_size)
        text += f"\n{page}"
    return Result(values, text)


def _traces_of(reference: str) -> TracePolicy | None:
    """Return how often the views of a backbone's recipe had traces, by its card; None of one that no recipe made."""
    recipe = recipe_of_card(Path(reference)) or {}
    views = recipe.get("views")
    if not isinstance(views, dict):
        return None
    try:
        return TracePolicy(**(views.get("traces") or {}))
    except (TypeError, ValueError):  # a card that a person wrote
        return None
