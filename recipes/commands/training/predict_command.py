"""Classify raw videos, or the clips of a manifest."""

import io
import json
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch
from torch.utils.data import DataLoader, Subset

from framegate.augment import find_layout
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import collate
from framegate.media import (
    Clip,
    ExtractOptions,
    FrameStore,
    Limits,
    extract,
    read_manifest,
)
from framegate.media.visible import visible, visible_json
from framegate.recipes.commands.clip_inputs import find_clips, manifest_among, refuse_folder_options
from framegate.recipes.finetuning.clips import StoreClips, spaced_frames
from framegate.recipes.reports.outputs import claim_output, output_file
from framegate.recipes.reports.results import Result
from framegate.recipes.training.progress import WorkProgress


def predict_inputs(
    folder: Path,
    inputs: Sequence[Path],
    *,
    out: Path | None = None,
    top: int = 5,
    threshold: float | None = None,
    embedding: bool = False,
    allow_outside: bool = False,
    encoding: str | None = None,
    sequences: bool = False,
    workers: int | None = None,
    limits: Limits | None = None,
) -> Result:
    """Write a line of JSON for each clip that can be read, in the order of the input; decoding runs ahead of the model.

    A file that is broken or missing is reported on stderr and left out; what can be read of a damaged one is used.

    Args:
        folder: a classifier folder.
        inputs: one manifest; or folders, which are scanned, and media files.
        out: JSONL; None: standard output.
        top: leaves listed for each clip.
        threshold: end each path at the most specific node more probable than this; None: at the best leaf.
        embedding: add each clip's fused vector.
        allow_outside: accept paths and links that lead out of the folder.
        encoding: how a manifest is read that has no mark and is no UTF-8.
        sequences: take each folder of pictures in a scanned folder as one clip.
        workers: processes that decode.
        limits: what one clip may take.

    Raises:
        FolderError: the folder is no classifier.
        ManifestError: rows of the manifest are wrong, or it is not the only input.
        OutputError: framegate did not write the file that is there, or it is an input.
    """
    claim_output(out, inputs=inputs)
    model = GatedFusionClassifier.from_pretrained(folder)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    sampling = model.sampling
    clips = _clips(inputs, allow_outside=allow_outside, encoding=encoding, sequences=sequences)
    clip_of = {clip.id: clip for clip in clips}
    count, failures = 0, []
    with (
        tempfile.TemporaryDirectory(prefix="framegate-predict-") as scratch,
        closing(
            read_ahead(
                clips,
                Path(scratch),
                options=sampling.extraction.within(limits or Limits()),
                layout=model.prepare.mask_overlays and sampling.layout,
                workers=workers,
            )
        ) as stores,
        WorkProgress("predict", total=len(clips)) as progress,
        _writer(out, inputs) as file,
    ):
        for store, its_failures in stores:
            for failure in its_failures:
                message = f"{failure['id']}: {failure['path']}: {failure['status']}: {failure['error']}"
                sys.stderr.write(f"{visible(message)}\n")
            failures += its_failures
            for line in _predict(model, store, top=top, threshold=threshold, embedding=embedding):
                clip = clip_of[line["id"]]
                written = json.dumps({**clip.extra, "id": clip.id, "video": clip.file, **line}, ensure_ascii=False)
                file.write(f"{written if out else visible_json(written)}\n")
                count += 1
            progress.update(count + sum(failure["status"] == "failed" for failure in failures))
    text = f"{out}: {count} predictions, {len(failures)} files with failures" if out else ""
    return Result({"predictions": count, "failures": failures}, text)


def read_ahead(
    clips: Sequence[Clip],
    scratch: Path,
    *,
    options: ExtractOptions,
    layout: bool = False,
    workers: int | None = None,
    size: int = 64,
) -> Generator[tuple[FrameStore, list[dict[str, Any]]], None, None]:
    """Yield stores of ``size`` clips each, with their failures; while one is used, the next is decoded.

    ``layout``: their overlays are found, too. A store is gone once the next is asked for.
    """
    parts = [clips[start : start + size] for start in range(0, len(clips), size)]

    def read(number: int) -> FrameStore:
        folder = scratch / f"store-{number}"
        extract(parts[number], folder, layout=find_layout if layout else None, options=options, workers=workers)
        return FrameStore(folder)

    with ThreadPoolExecutor(max_workers=1) as reader:  # extraction itself runs in processes of its own
        ahead = reader.submit(read, 0) if parts else None
        for number in range(len(parts)):
            assert ahead is not None
            store = ahead.result()
            if number + 1 < len(parts):
                ahead = reader.submit(read, number + 1)
            lines = (store.path / "failures.jsonl").read_text(encoding="utf-8").splitlines()
            yield store, [json.loads(line) for line in lines]
            shutil.rmtree(store.path)


def _clips(inputs: Sequence[Path], *, allow_outside: bool, encoding: str | None, sequences: bool) -> list[Clip]:
    if (manifest := manifest_among(inputs)) is not None:
        refuse_folder_options(sequences=sequences, label_from_folders=False)
        return read_manifest(manifest, allow_outside=allow_outside, encoding=encoding)
    return find_clips(inputs, sequences=sequences, allow_outside=allow_outside).clips


def _predict(
    model: GatedFusionClassifier,
    store: FrameStore,
    *,
    top: int,
    threshold: float | None,
    embedding: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the predictions of each clip, as they stand in its line of JSON."""
    rows = range(store.videos.num_rows)
    samples = StoreClips(store, model.prepare, model.sampling, labels=[()] * len(rows))
    remaining = iter(rows)
    for batch in DataLoader(Subset(samples, rows), batch_size=16, collate_fn=collate):
        for prediction in model.predict_batch(batch, top=top, threshold=threshold):
            row = next(remaining)
            clip, numbers = store.video(row).id, spaced_frames(store.frame_range(row), model.sampling.frames)
            best = [
                {"time": float(store.times[numbers[place]]), "attention": prediction.attention[place]}
                for place in prediction.best_frames()
            ]
            yield {"id": clip, **prediction.as_json(embedding=embedding), "best_frames": best}


@contextmanager
def _writer(out: Path | None, inputs: Sequence[Path]) -> Iterator[TextIO]:
    """Open standard output, or a file that appears under its name when it is complete."""
    if out is None:
        yield sys.stdout
        return
    with output_file(out, inputs=inputs) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()  # which writes what it holds, and leaves the file open
