"""Write what lies in a folder as a manifest, to be edited."""

import os
import sys
from pathlib import Path

from framegate.finetune.taxonomy.taxonomy import TAXONOMY_FILE
from framegate.media import ManifestError
from framegate.media.files import write_text
from framegate.media.manifest.file_clips import manifest_table
from framegate.media.visible import visible
from framegate.recipes.commands.clip_inputs import find_clips
from framegate.recipes.reports.results import Result


def make_manifest(
    folder: Path,
    *,
    out: Path | None = None,
    sequences: bool = False,
    label_from_folders: bool = False,
    allow_outside: bool = False,
) -> Result:
    """Return the manifest of a folder as CSV, or write it.

    Its paths are relative to the folder of ``out``; without ``out`` to the folder in which ``folder`` lies, as its path
    is written: for ``videos`` or ``data/videos`` the table belongs beside ``videos``, for ``.`` into it.

    Args:
        folder: where to look.
        out: a new file; None: the table is the result's text.
        sequences: take each folder of pictures as one clip.
        label_from_folders: label each clip by the folder in which it lies; with ``out``, the tree of folders is written
            beside it as ``taxonomy.csv``.
        allow_outside: follow links that lead out of the folder.

    Raises:
        ManifestError: nothing is found, a file is there already, or the table would lie where it cannot name the clips.
    """
    if not folder.is_dir():
        raise ManifestError([f"{visible(folder)}: {'not a folder' if folder.exists() else 'no such folder'}"])
    taxonomy = out.with_name(TAXONOMY_FILE) if out is not None and label_from_folders else None
    for file in (out, taxonomy):
        if file is not None and os.path.lexists(file):
            raise ManifestError([f"{visible(file)} exists: name another file, or delete it"])
    beside = folder.resolve().parent if folder.name == ".." else folder.parent
    prefix = _prefix(folder, out.parent if out is not None else beside)
    found = find_clips(
        [folder],
        sequences=sequences,
        label_from_folders=label_from_folders,
        allow_outside=allow_outside,
        seed=None,
    )
    table = manifest_table(found.clips, prefix=prefix)
    values = {
        "rows": [{"id": clip.id, "video": clip.file, "label": clip.label} for clip in found.clips],
        "manifest": str(out) if out is not None else None,
    }
    if out is None:
        place = visible(folder.resolve() if prefix == "" else folder.resolve().parent)
        sys.stderr.write(f"paths are relative to {place}: save the table there, or give --out FILE\n")
        if label_from_folders:
            sys.stderr.write(f"--out FILE writes the tree of folders beside it, as {TAXONOMY_FILE}\n")
        return Result(values, table.rstrip("\n"))
    write_text(out, table)
    text = f"{out}: {len(found.clips)} clips"
    if taxonomy is not None and found.taxonomy is not None:
        found.taxonomy.write(taxonomy)
        text += f"; {taxonomy}: {len(found.taxonomy)} categories"
    return Result(values, text)


def _prefix(folder: Path, place: Path) -> str:
    """Return the path of ``folder`` from ``place``, with a slash at its end; empty if they are the same.

    Raises:
        ManifestError: it does not lie in it.
    """
    home, root = place.resolve(), folder.resolve()
    if not root.is_relative_to(home):
        raise ManifestError(
            [f"{visible(folder)} does not lie in {visible(home)}: a manifest names what is below its own folder"]
        )
    inner = root.relative_to(home).as_posix()
    return "" if inner == "." else f"{inner}/"
