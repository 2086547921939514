"""Extract media files into a frame store: workers write a part for each clip, the store writer joins them."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from framegate.media.clip_layout import LayoutFinder
from framegate.media.errors import MediaError
from framegate.media.extraction.cores import usable_cores
from framegate.media.extraction.engines import run_in_processes, run_on_ray
from framegate.media.files import remove_parts, write_text
from framegate.media.manifest.manifest import Clip
from framegate.media.options import Engine, ExtractOptions, Progress, Summary
from framegate.media.store.duplicates import split_by_duplicates
from framegate.media.store.store_writer import StoreWriter


def extract(
    clips: Sequence[Clip],
    out: str | Path,
    *,
    layout: LayoutFinder | None = None,
    options: ExtractOptions | None = None,
    workers: int | None = None,
    resume: bool = True,
    engine: Engine = "processes",
    split_seed: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Extract ``clips`` into a frame store.

    Args:
        clips: what to extract, from `read_manifest` or `clips_from_files`.
        out: the store's folder.
        layout: finds the overlays in a sample of one clip's frames, (H, W, 3) RGB uint8 each; a picklable callable.
        options: how frames and audio are taken; default: `ExtractOptions()`.
        workers: number of processes; default: one a core. With Ray, number of tasks at a time.
        resume: continue an unfinished extraction of the same clips and options in ``out``.
        engine: ``processes`` on this machine, or ``ray`` on a Ray cluster whose machines reach ``out`` and the media
            files under the same paths.
        split_seed: clips with no split get one when all are extracted, re-uploads of one another the same one; this is
            the seed. None: splits stay as they are.
        on_progress: called after each clip.

    Returns:
        The counts and times of the whole extraction, earlier calls included.

    Raises:
        MediaError: ``out`` holds other files, or an extraction of other clips or with other options; or Ray is not
            installed.
    """
    from framegate.media.extraction.clip_extract import (  # and FFmpeg: who reads stores does without
        extract_clip,
        salvage_clip,
    )

    began = time.monotonic()
    options = options or ExtractOptions()
    out = Path(out).absolute()
    mark: dict[str, Any] = {
        "fingerprint": _fingerprint(clips, options),
        "options": options.identity(),
        "layout": layout is not None,
    }
    if split_seed is not None:
        mark["split_seed"] = split_seed
    _claim(out, mark, resume=resume)
    if (out / "videos.arrow").exists():
        remove_parts(out / ".extract")  # where a run was killed in its last moment
        return _told(out / "summary.json")
    writer = StoreWriter(out, total=len(clips))
    task = partial(extract_clip, folder=writer.parts, options=options, layout=layout)
    pending = [(index, clips[index]) for index in writer.take_over()]
    count = max(1, min(workers or usable_cores(), len(pending)))
    run = run_on_ray if engine == "ray" else run_in_processes
    for finished, (index, error) in enumerate(run(task, pending, workers=count, options=options), start=1):
        if error is not None:
            salvage_clip(clips[index], index, writer.parts, error=error)
        writer.add(index)
        if on_progress is not None:
            on_progress(_progress(writer, total=len(clips), finished=finished, seconds=time.monotonic() - began))
    writer.commit()
    writer.finish(splits=None if split_seed is None else partial(split_by_duplicates, seed=split_seed))
    remove_parts(writer.parts)
    return _told(out / "summary.json")


def _told(summary: Path) -> Summary:
    """Read the summary of a finished store; older ones do not tell how many frames were asked for."""
    told = json.loads(summary.read_text())
    return Summary(**{"asked_frames": told["frames"], **told})


def _progress(writer: StoreWriter, *, total: int, finished: int, seconds: float) -> Progress:
    counts = {name: writer.tally[name] for name in ("ok", "partial", "failed", "frames")}
    done = counts["ok"] + counts["partial"] + counts["failed"]
    eta = seconds / finished * (total - done)
    return Progress(done=done, total=total, **counts, seconds=seconds, eta=eta)


def _claim(out: Path, content: dict[str, Any], *, resume: bool) -> None:
    """Make ``out`` the place of this extraction, or find that it is already."""
    out.mkdir(parents=True, exist_ok=True)
    mark = out / "extract.json"
    if mark.exists() and resume:
        held = json.loads(mark.read_text())
        if not isinstance(held, dict) or any(held.get(key, value) != value for key, value in content.items()):
            raise MediaError(f"{out} holds an extraction of other clips or with other options: give another folder")
        return
    if any(out.iterdir()):
        raise MediaError(f"{out} is not empty: give another folder" + (", or resume" if mark.exists() else ""))
    write_text(mark, json.dumps(content))


def _fingerprint(clips: Sequence[Clip], options: ExtractOptions) -> str:
    digest = hashlib.sha256(json.dumps(options.identity(), sort_keys=True).encode())
    for clip in clips:
        row = asdict(clip)
        del row["file"]  # not of the first version, whose unfinished stores go on; the resolved paths say it all
        digest.update(json.dumps(row, sort_keys=True, default=str).encode())
    return digest.hexdigest()
