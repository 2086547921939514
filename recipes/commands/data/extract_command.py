"""Extract a manifest, or folders and media files, into a frame store; labels are checked against a taxonomy."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from framegate.augment import find_layout
from framegate.finetune.taxonomy.taxonomy import TAXONOMY_FILE, Taxonomy
from framegate.media import ExtractOptions, ManifestError, Progress, extract, read_manifest
from framegate.media.files import write_bytes
from framegate.recipes.commands.clip_inputs import (
    FoundClips,
    find_clips,
    manifest_among,
    no_label_hint,
    refuse_folder_options,
)
from framegate.recipes.commands.data.dry_run import check_clips
from framegate.recipes.commands.data.duplicates_command import leak_warning, leaking_clips
from framegate.recipes.reports.results import Result
from framegate.recipes.training.progress import WorkProgress

_MAX_SEARCHED = 1_000_000  # frames: ten minutes and two gigabytes, which nobody expects at the end of an extraction


def extract_manifest(
    manifest: str | Path | Sequence[str | Path],
    out: str | Path = Path("store"),
    *,
    taxonomy: str | Path | None = None,
    options: ExtractOptions | None = None,
    layout: bool = True,
    allow_outside: bool = False,
    encoding: str | None = None,
    dry_run: bool = False,
    sequences: bool = False,
    label_from_folders: bool = False,
    split: Literal["by-programme", "by-duplicates"] = "by-programme",
    duplicates: bool = True,
    seed: int = 0,
    engine: Literal["processes", "ray"] = "processes",
    workers: int | None = None,
) -> Result:
    """Read everything that ``manifest`` names into the store ``out``.

    Args:
        manifest: CSV, JSON, an Excel workbook or Parquet; or a folder or a media file, or several: a scanned folder
            gives a clip for each video, each picture and each sound in it.
        out: the store's folder; an unfinished extraction there goes on.
        taxonomy: labels must be in it; default: ``taxonomy.csv`` beside the manifest, where there is one.
        options: how frames and sound are taken.
        layout: find borders, logos and subtitles.
        allow_outside: accept paths and links that lead out of the folder.
        encoding: how the manifest and the taxonomy are read where they have no mark and are no UTF-8.
        dry_run: check every row and every file only; nothing is decoded or written.
        sequences: take each folder of pictures in a scanned folder as one clip.
        label_from_folders: label the clips of a scanned folder by the folders in it, which become the store's taxonomy.
        split: how clips get a split for which the manifest names none: all clips of a programme the same one, or all
            clips of programmes that share re-uploads.
        duplicates: look for re-uploads across splits, and warn.
        seed: of the split, where the manifest names none.
        engine: processes of this machine, or the Ray cluster (``pip install framegate[ray]``).
        workers: processes.

    Raises:
        EncodingError: ``encoding`` is none.
        ManifestError: with every row that is wrong, before anything is read.
        TaxonomyError: the taxonomy itself is wrong.
        MediaError: ``out`` holds something else.
    """
    inputs = [Path(manifest)] if isinstance(manifest, str | Path) else list(map(Path, manifest))
    out = Path(out)
    table = manifest_among(inputs)
    beside = table.parent / TAXONOMY_FILE if table else None
    checked = Path(taxonomy) if taxonomy else beside if beside and beside.is_file() else None
    late = split == "by-duplicates"
    tree: Taxonomy | None = None
    if table is not None:
        refuse_folder_options(sequences=sequences, label_from_folders=label_from_folders)
        tree = Taxonomy.read(checked, encoding=encoding) if checked else None
        check = tree.check if tree else None
        found = FoundClips(
            read_manifest(
                table,
                check_label=check,
                allow_outside=allow_outside,
                encoding=encoding,
                seed=seed,
                fill_splits=not late,
            )
        )
    elif checked is not None:
        raise ManifestError(["--taxonomy is for the labels of a manifest; --label-from-folders makes one of folders"])
    else:
        found = find_clips(
            inputs,
            sequences=sequences,
            label_from_folders=label_from_folders,
            allow_outside=allow_outside,
            seed=None if late else seed,
        )
        tree = found.taxonomy
    clips = found.clips
    if dry_run:
        return check_clips(clips, manifest=table or inputs[0])
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
    if tree is not None:  # a store keeps what its labels were checked against
        write_bytes(out / TAXONOMY_FILE, tree.as_csv())
    text = (
        f"{out}: {summary.frames} frames of {summary.ok + summary.partial} clips in {summary.seconds:.1f} s "
        f"({summary.frames_per_second:.0f} frames/s); {summary.partial} partial, {summary.failed} failed"
    )
    if summary.partial + summary.failed:
        text += f", see {out / 'failures.jsonl'}"
    searched = duplicates and summary.frames <= _MAX_SEARCHED
    divided = late and not any(clip.split for clip in clips)  # then no copy lies on another side
    leaks = leaking_clips(out) if searched and not divided else {}
    if leaks:
        text += f"\n{leak_warning(leaks, out)}"
    if duplicates and not searched:
        text += f"\nnot searched for re-uploads, which takes long in so many frames: framegate duplicates {out}"
    if table is None:
        text += no_label_hint(clips)
    return Result(asdict(summary) | ({"leaks": leaks} if searched else {}), text)


def progress_note(now: Progress) -> str:
    """Return the text beside an extraction's progress bar."""
    return f"{now.frames} frames, {now.partial + now.failed} failures"
