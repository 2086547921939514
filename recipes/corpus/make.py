"""Make the corpus: plan it, render its clips side by side, and put the folder in place when it is whole."""

import csv
import io
import multiprocessing
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from framegate.media.errors import FramegateError
from framegate.recipes.corpus.audio import RATE, synthesise_audio
from framegate.recipes.corpus.leaves import TAXONOMY, Node
from framegate.recipes.corpus.pictures import FRAME_RATE, clip_pictures
from framegate.recipes.corpus.plan import ClipPlan, plan_corpus
from framegate.recipes.corpus.stations import Overlay
from framegate.recipes.corpus.video_file import write_video
from framegate.recipes.corpus.words import subtitle_lines

__all__ = ["CorpusSummary", "FolderTakenError", "make_corpus"]

_PICTURES, _AUDIO, _SUBTITLES, _DURATION = range(101, 105)  # streams of random numbers of one clip
_CHUNK = 8  # clips a task


class FolderTakenError(FramegateError, FileExistsError):
    """The folder for the corpus holds something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSummary:
    """The contents of a corpus; ``seconds`` is the time that making it took, 0 if it was there already."""

    folder: Path
    manifest: Path
    taxonomy: Path
    clips: int
    programmes: int
    splits: dict[str, int]
    without_audio: int
    without_text: int
    seconds: float


def make_corpus(
    out: Path,
    *,
    clips: int,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> CorpusSummary:
    """Write ``out/manifest.csv``, ``out/taxonomy.csv`` and ``out/videos/*.mp4``.

    The corpus is a function of ``clips`` and ``seed``. It is written beside ``out`` and renamed when it is whole. Where
    ``out`` already is this very corpus, it is left as it is.

    Args:
        out: the folder to make; it may exist only if it is empty, or this corpus.
        clips: how many, 1 or more. From 192 on, every leaf is in every split.
        seed: 0 or more.
        workers: processes; by default one a core. 1 renders in this process.
        on_progress: called with (clips done, clips in all).

    Raises:
        ValueError: ``clips`` < 1 or ``seed`` < 0.
        FolderTakenError: ``out`` is something else.
    """
    if clips < 1 or seed < 0:
        raise ValueError(f"clips must be at least 1 and seed at least 0, not {clips} and {seed}")
    out = Path(out).resolve()
    began = time.perf_counter()
    plans = plan_corpus(clips, seed)
    if not _is_vacant(out):
        if not _is_this_corpus(out, plans):
            raise FolderTakenError(
                f"{out} is not empty, and is not the corpus of {clips} clips with seed {seed}: "
                "name another folder, or remove this one first"
            )
        return _summary(out, plans, seconds=0.0)

    aside = out.with_name(f".{out.name}.unfinished-{os.getpid()}")
    (aside / "videos").mkdir(parents=True)
    try:
        (aside / "manifest.csv").write_text(_manifest(plans), encoding="utf-8", newline="")
        (aside / "taxonomy.csv").write_text(_taxonomy(), encoding="utf-8", newline="")
        _render_all(plans, aside / "videos", seed=seed, workers=workers, on_progress=on_progress)
        aside.replace(out)
    except BaseException:  # an interrupt, too, leaves nothing behind
        shutil.rmtree(aside)
        raise
    return _summary(out, plans, seconds=time.perf_counter() - began)


def render_clip(plan: ClipPlan, path: Path, *, seed: int) -> None:
    """Draw, synthesise and encode one clip: a function of (seed, plan)."""

    def rng(stream: int) -> np.random.Generator:
        return np.random.default_rng([seed, stream, plan.number])

    seconds = round(float(rng(_DURATION).uniform(3.2, 7.8)) * FRAME_RATE) / FRAME_RATE
    overlay = Overlay(plan.look, subtitle_lines(rng(_SUBTITLES), max(2, round(seconds / 1.8))), seconds)

    def pictures() -> Iterable[np.ndarray]:
        scene = clip_pictures(plan.leaf.pictures, seconds=seconds, hue=plan.hue, rng=rng(_PICTURES))
        for number, picture in enumerate(scene):
            overlay.draw(picture, number / FRAME_RATE)
            yield picture

    audio = None if plan.audio == "no_track" else synthesise_audio(plan.leaf.audio, seconds=seconds, rng=rng(_AUDIO))
    write_video(path, pictures(), frame_rate=FRAME_RATE, audio=audio, audio_rate=RATE)


def _render_all(
    plans: Sequence[ClipPlan],
    folder: Path,
    *,
    seed: int,
    workers: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    chunks = [plans[start : start + _CHUNK] for start in range(0, len(plans), _CHUNK)]
    workers = min(workers or os.cpu_count() or 1, len(chunks))
    done = 0
    for rendered in _run(chunks, folder, seed, workers):
        done += rendered
        if on_progress:
            on_progress(done, len(plans))


def _run(chunks: Sequence[Sequence[ClipPlan]], folder: Path, seed: int, workers: int) -> Iterable[int]:
    if workers == 1:
        for chunk in chunks:
            yield _render_chunk(chunk, folder, seed)
        return
    # Spawned, not forked: the caller may have threads (PyTorch's, the command line's progress bar).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        tasks = [pool.submit(_render_chunk, chunk, folder, seed) for chunk in chunks]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, the tasks that wait are not worth doing


def _render_chunk(plans: Sequence[ClipPlan], folder: Path, seed: int) -> int:
    for plan in plans:
        render_clip(plan, folder / f"{plan.id}.mp4", seed=seed)
    return len(plans)


def _manifest(plans: Sequence[ClipPlan]) -> str:
    """The manifest as CSV. Beyond the usual columns: ``language``, and the ground truth of the overlays.

    ``look`` is the station look's family; ``picture_box``, ``logo_box`` and ``subtitle_box`` are left, top, right and
    bottom as fractions of the frame, joined by spaces (no subtitles: empty).
    """
    rows = [
        {
            "id": plan.id,
            "video": f"videos/{plan.id}.mp4",
            "audio": "-" if plan.audio == "unused" else "",
            "title": plan.title,
            "description": plan.description,
            "label": plan.leaf.id,
            "programme": plan.programme,
            "split": plan.split,
            "language": plan.language,
            "look": plan.look.family,
            "picture_box": _box_text(plan.look.picture),
            "logo_box": _box_text(plan.look.logo),
            "subtitle_box": _box_text(plan.look.subtitles or ()),
        }
        for plan in plans
    ]
    return _csv(list(rows[0]), (list(row.values()) for row in rows))


def _taxonomy() -> str:
    return _csv([field.name for field in fields(Node)], (astuple(node) for node in TAXONOMY))


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _box_text(box: Sequence[float]) -> str:
    return " ".join(f"{edge:.4f}" for edge in box)


def _is_vacant(out: Path) -> bool:
    return not out.exists() or (out.is_dir() and not any(out.iterdir()))


def _is_this_corpus(out: Path, plans: Sequence[ClipPlan]) -> bool:
    manifest = out / "manifest.csv"
    return (
        manifest.is_file()
        and manifest.read_bytes() == _manifest(plans).encode()
        and all((out / "videos" / f"{plan.id}.mp4").is_file() for plan in plans)
    )


def _summary(out: Path, plans: Sequence[ClipPlan], *, seconds: float) -> CorpusSummary:
    return CorpusSummary(
        folder=out,
        manifest=out / "manifest.csv",
        taxonomy=out / "taxonomy.csv",
        clips=len(plans),
        programmes=len({plan.programme for plan in plans}),
        splits=dict(Counter(plan.split for plan in plans)),
        without_audio=sum(plan.audio != "track" for plan in plans),
        without_text=sum(not (plan.title or plan.description) for plan in plans),
        seconds=seconds,
    )
