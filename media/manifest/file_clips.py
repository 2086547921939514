"""Clips without a manifest: from media files, and from what a scan found in folders."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from framegate.media.manifest.ids import FreeIds, path_id
from framegate.media.manifest.manifest import Clip
from framegate.media.manifest.manifest_rows import ManifestError
from framegate.media.manifest.scan import Found, Scan, kind_of_file
from framegate.media.manifest.splits import assign_splits

TABLE_COLUMNS = ("id", "video", "audio", "title", "label", "programme", "split")
"""The columns of the table that `manifest_table` writes."""

_FORMULAS = ("=", "+", "-", "@")


def clips_from_files(paths: Iterable[str | Path]) -> list[Clip]:
    """Return one clip for each file, or folder of pictures, for calls without a manifest.

    Ids are made from the names (see `path_id`), and numbered where several files would have the same, in the order of
    their paths; the split is ``test``.

    Raises:
        ManifestError: a file name is not UTF-8, so that no result could name the file.
    """
    files = [Path(path) for path in paths]
    if unnamed := [path for path in files if not _is_utf8(path)]:
        raise ManifestError([f"{str(path)!a}: its name is not UTF-8: rename it" for path in unnamed])
    clips = []
    for path in files:
        target = path.resolve()
        sound = kind_of_file(target) == "audio"
        clips.append(
            Clip(
                id=path_id(path.name or target.name or "clip"),
                video=None if sound else target,
                audio=target if sound else None,
                programme=str(target),
                split="test",
                file=str(path),
            )
        )
    return with_free_ids(clips)


def clips_from_scans(
    scans: Sequence[Scan], *, labels: dict[str, str] | None = None, splits: dict[str, str] | None = None
) -> list[Clip]:
    """Return one clip for each file that was found, in the order of the scans and of the paths in them.

    Each file is its own programme; links to one file share that file's. Other splits are not assigned.

    Args:
        scans: of folders.
        labels, splits: the label and the split of each path, as `label_by_folders` makes them.
    """
    clips = [_clip(scan, found, labels or {}, splits or {}) for scan in scans for found in scan.found]
    if len(scans) > 1:  # what has the same path in two folders is not the same programme
        clips = [replace(clip, programme=str(clip.video or clip.audio)) for clip in clips]
    return with_free_ids(clips)


def with_free_ids(clips: list[Clip]) -> list[Clip]:
    """Number ids that occur twice, in the order of the files' paths, whatever the order of the call."""
    used: set[str] = set()
    free = FreeIds(used)
    ids: dict[int, str] = {}
    for place in sorted(range(len(clips)), key=lambda place: _by_file(clips[place])):
        ids[place] = free.like(clips[place].id)
        used.add(ids[place])
    return [replace(clip, id=ids[place]) for place, clip in enumerate(clips)]


def with_splits(clips: Sequence[Clip], *, seed: int) -> list[Clip]:
    """Return the clips with splits; those that have none are divided by programme as those of a manifest are."""
    splits = assign_splits([(clip.programme, clip.split) for clip in clips], seed=seed)
    return [replace(clip, split=split) for clip, split in zip(clips, splits, strict=True)]


def manifest_table(clips: Sequence[Clip], *, prefix: str = "") -> str:
    """Return the CSV that `read_manifest` reads as the same clips, to be edited.

    Args:
        clips: of one scan.
        prefix: the scanned folder, from where the table will lie: ``""`` or ``videos/``.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TABLE_COLUMNS)
    for clip in clips:
        file = path_cell(prefix + clip.file)
        video, audio = (file, "") if clip.video is not None else ("", file)
        writer.writerow([clip.id, video, audio, clip.title, clip.label, clip.programme, clip.split])
    return text.getvalue()


def path_cell(path: str) -> str:
    """Return a relative path that no spreadsheet takes for a formula, and no reader for another one without its spaces.

    >>> path_cell("a.mp4"), path_cell("=1+1.mp4"), path_cell(" a.mp4 ")
    ('a.mp4', './=1+1.mp4', './ a.mp4 /.')
    """
    first = unicodedata.normalize("NFKC", path[:1])
    start = "./" if path[:1].isspace() or first.startswith(_FORMULAS) else ""
    return start + path + ("/." if path[-1:].isspace() else "")


def _clip(scan: Scan, found: Found, labels: dict[str, str], splits: dict[str, str]) -> Clip:
    sound = found.kind == "audio"
    root = scan.folder.resolve()
    own = found.target.relative_to(root).as_posix() if found.target.is_relative_to(root) else str(found.target)
    return Clip(
        id=path_id(root.name or "clip" if found.path == "." else found.path),
        video=None if sound else found.target,
        audio=found.target if sound else None,
        label=labels.get(found.path, ""),
        split=splits.get(found.path, ""),
        programme=path_cell(unicodedata.normalize("NFC", own)),
        file=found.path,
    )


def _by_file(clip: Clip) -> tuple[str, str]:
    return unicodedata.normalize("NFC", clip.file), clip.file


def _is_utf8(path: Path) -> bool:
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        return False
    return True
