"""Extract a manifest into a frame store, its labels checked against a taxonomy."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from framegate.augment import find_layout
from framegate.finetune.taxonomy.taxonomy import TAXONOMY_FILE, Taxonomy
from framegate.media import ExtractOptions, Progress, extract, read_manifest
from framegate.media.files import write_bytes
from framegate.recipes.commands.data.duplicates_command import leak_warning, leaking_clips
from framegate.recipes.reports.results import Result
from framegate.recipes.training.progress import WorkProgress


def extract_manifest(
    manifest: str | Path,
    out: str | Path,
    *,
    taxonomy: str | Path | None = None,
    options: ExtractOptions | None = None,
    layout: bool = True,
    allow_outside: bool = False,
    split: Literal["by-programme", "by-duplicates"] = "by-programme",
    duplicates: bool = True,
    seed: int = 0,
    engine: Literal["processes", "ray"] = "processes",
    workers: int | None = None,
) -> Result:
    """Read everything that ``manifest`` names into the store ``out``.

    Args:
        manifest: CSV or JSONL.
        out: the store's folder; an unfinished extraction there goes on.
        taxonomy: labels must be in it; default: ``taxonomy.csv`` beside the manifest, where there is one.
        options: how frames and sound are taken.
        layout: find borders, logos and subtitles.
        allow_outside: accept paths that lead out of the manifest's folder.
        split: how clips get a split for which the manifest names none: all clips of a programme the same one, or all
            clips of programmes that share re-uploads.
        duplicates: look for re-uploads across splits, and warn.
        seed: of the split, where the manifest names none.
        engine: processes of this machine, or the Ray cluster (``pip install framegate[ray]``).
        workers: processes.

    Raises:
        ManifestError: with every row that is wrong, before anything is read.
        TaxonomyError: the taxonomy itself is wrong.
        MediaError: ``out`` holds something else.
    """
    manifest, out = Path(manifest), Path(out)
    beside = manifest.parent / TAXONOMY_FILE
    checked = Path(taxonomy) if taxonomy else beside if beside.is_file() else None
    tree = Taxonomy.read(checked) if checked else None
    check = tree.check if tree else None
    late = split == "by-duplicates"
    clips = read_manifest(manifest, check_label=check, allow_outside=allow_outside, seed=seed, fill_splits=not late)
    with WorkProgress("extract", total=len(clips)) as progress:
        summary = extract(
            clips,
            out,
            layout=find_layout if layout else None,
            options=options,
            engine=engine,
            workers=workers,
            split_seed=seed if late else None,
            on_progress=lambda now: progress.update(now.done, progress_note(now)),
        )
    if checked:  # a store keeps what its labels were checked against
        write_bytes(out / TAXONOMY_FILE, checked.read_bytes())
    text = (
        f"{out}: {summary.frames} frames of {summary.ok + summary.partial} clips in {summary.seconds:.1f} s "
        f"({summary.frames_per_second:.0f} frames/s); {summary.partial} partial, {summary.failed} failed"
    )
    if summary.partial + summary.failed:
        text += f", see {out / 'failures.jsonl'}"
    leaks = leaking_clips(out) if duplicates else {}
    if leaks:
        text += f"\n{leak_warning(leaks, out)}"
    return Result(asdict(summary) | ({"leaks": leaks} if duplicates else {}), text)


def progress_note(now: Progress) -> str:
    """Return the text beside an extraction's progress bar."""
    return f"{now.frames} frames, {now.partial + now.failed} failures"
