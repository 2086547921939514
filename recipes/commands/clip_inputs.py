"""What verbs take for clips: one manifest, or folders and media files."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.media import Clip, ManifestError, Scan, clips_from_files, clips_from_scans, scan_folder, with_splits
from framegate.media.manifest.file_clips import with_free_ids
from framegate.media.manifest.folder_labels import label_by_folders
from framegate.media.manifest.scan import has_media_suffix, kind_of_file
from framegate.media.manifest.tables.reading import TABLE_SUFFIXES
from framegate.media.visible import visible
from framegate.recipes.training.progress import WorkProgress


@dataclass(frozen=True)
class FoundClips:
    """Clips of folders and media files, and the taxonomy that the folders make, where one was asked for."""

    clips: list[Clip]
    taxonomy: Taxonomy | None = None


def manifest_among(inputs: Sequence[Path]) -> Path | None:
    """Return the manifest, if ``inputs`` is one; None if they are folders and media files.

    A file that is called like a medium, or begins like one, is one; every other file is a manifest.

    Raises:
        ManifestError: there are other inputs beside a manifest.
    """
    manifest = next(filter(_is_manifest, inputs), None)
    if manifest is not None and len(inputs) > 1:
        raise ManifestError([f"{visible(manifest)}: a manifest comes alone: give its clips in a call of their own"])
    return manifest


def refuse_folder_options(*, sequences: bool, label_from_folders: bool) -> None:
    """Raise `ManifestError` if options that are for folders were given with a manifest."""
    for option, given in (("--sequences", sequences), ("--label-from-folders", label_from_folders)):
        if given:
            raise ManifestError([f"{option} is for folders; a manifest says it row by row"])


def find_clips(
    inputs: Sequence[Path],
    *,
    sequences: bool = False,
    label_from_folders: bool = False,
    allow_outside: bool = False,
    seed: int | None = 0,
) -> FoundClips:
    """Find the clips in folders and media files, and say on stderr what was found and what was skipped.

    Args:
        inputs: folders, which are scanned, and files, which need not exist.
        sequences: take each folder of pictures as one clip.
        label_from_folders: label each clip by the folder in which it lies.
        allow_outside: follow links that lead out of the folders.
        seed: of the splits; None: leave open what no folder says.

    Raises:
        ManifestError: a folder cannot be read or holds no media, or no folders are in it to take labels from.
    """
    scans = {
        place: scan_with_progress(path, sequences=sequences, allow_outside=allow_outside)
        for place, path in enumerate(inputs)
        if path.is_dir()
    }
    tree = label_by_folders(found.path for scan in scans.values() for found in scan.found)
    if label_from_folders and not tree.nodes:
        where = ", ".join(visible(path) for path in inputs)
        raise ManifestError([f"{where}: all media lie at the top; --label-from-folders needs folders in it"])
    labels, splits = (tree.labels, tree.splits) if label_from_folders else ({}, {})
    from_scans = iter(clips_from_scans(list(scans.values()), labels=labels, splits=splits))
    clips: list[Clip] = []
    for place, path in enumerate(inputs):
        if (scan := scans.get(place)) is not None:
            clips += [next(from_scans) for _ in scan.found]
        else:
            clips += [replace(clip, split="") for clip in clips_from_files([path])]
    clips = with_free_ids(clips)
    if seed is not None:
        clips = with_splits(clips, seed=seed)
    if not label_from_folders:
        return FoundClips(clips)
    if splits:
        sys.stderr.write("the folders at the top are called like splits, and are taken for them\n")
    if unlabelled := sum(not clip.label for clip in clips):
        sys.stderr.write(f"clips without a label, because they lie at the top, in no folder: {unlabelled}\n")
    return FoundClips(clips, Taxonomy(tuple(Node(*node) for node in tree.nodes)))


def scan_with_progress(folder: Path, *, sequences: bool, allow_outside: bool) -> Scan:
    """Scan a folder with a progress bar, and say on stderr what was found; see `scan_folder`."""
    with WorkProgress("scan", total=0, visible=sys.stderr.isatty()) as progress:
        scan = scan_folder(folder, sequences=sequences, allow_outside=allow_outside, on_progress=progress.grow)
    sys.stderr.write(f"{scan.describe()}\n")
    return scan


def no_label_hint(clips: Sequence[Clip]) -> str:
    """Return the line that says what clips without labels are good for; empty if there are labels."""
    if any(clip.label for clip in clips):
        return ""
    return (
        "\nno labels: they are enough for framegate pretrain, and the road ends with a backbone; "
        "for a classifier extract with --label-from-folders, or name a manifest with labels"
    )


def _is_manifest(path: Path) -> bool:
    if path.is_dir() or path.is_char_device() or path.is_block_device():
        return False
    if path.suffix.lower() in TABLE_SUFFIXES:
        return True
    return not has_media_suffix(path) and kind_of_file(path) is None
