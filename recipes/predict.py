"""Classify raw videos, or the clips of a manifest."""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch
from torch.utils.data import DataLoader, Subset

from framegate.finetune.batch import collate
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.media import Clip, ExtractOptions, FrameStore, clips_from_files, extract, read_manifest
from framegate.recipes.clips import Sampling, StoreClips
from framegate.recipes.extract import progress_note
from framegate.recipes.progress import WorkProgress
from framegate.recipes.results import Result

MANIFESTS = (".csv", ".jsonl")


def predict_inputs(
    folder: Path,
    inputs: Sequence[Path],
    *,
    out: Path | None = None,
    top: int = 5,
    embedding: bool = False,
    allow_outside: bool = False,
    workers: int | None = None,
) -> Result:
    """Write a line of JSON for each clip that can be read, in the order of the input.

    A file that is broken or missing is reported on stderr and left out; what can be read of a damaged one is used.

    Args:
        folder: a classifier folder.
        inputs: one manifest, or video files.
        out: JSONL; None: standard output.
        top: leaves listed for each clip.
        embedding: add each clip's fused vector.
        allow_outside: accept paths that lead out of the manifest's folder.
        workers: processes that decode.

    Raises:
        FolderError: the folder is no classifier.
        ManifestError: rows of the manifest are wrong.
    """
    model = GatedFusionClassifier.from_pretrained(folder)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    sampling = Sampling.load(folder)
    clips = _clips(inputs, allow_outside=allow_outside)
    with tempfile.TemporaryDirectory(prefix="framegate-predict-") as scratch:
        store = Path(scratch) / "store"
        with WorkProgress("extract", total=len(clips)) as progress:
            extract(
                clips,
                store,
                options=ExtractOptions(audio_seconds=sampling.audio_seconds),
                workers=workers,
                on_progress=lambda now: progress.update(now.done, progress_note(now)),
            )
        failures = [json.loads(line) for line in (store / "failures.jsonl").read_text(encoding="utf-8").splitlines()]
        lines = _predict(model, FrameStore(store), sampling, clips, top=top, embedding=embedding)
        for failure in failures:
            sys.stderr.write(f"{failure['id']}: {failure['path']}: {failure['status']}: {failure['error']}\n")
        with _writer(out) as file:
            count = sum(bool(file.write(json.dumps(line, ensure_ascii=False) + "\n")) for line in lines)
    text = f"{out}: {count} predictions, {len(failures)} files with failures" if out else ""
    return Result({"predictions": count, "failures": failures}, text)


def _clips(inputs: Sequence[Path], *, allow_outside: bool) -> list[Clip]:
    if len(inputs) == 1 and inputs[0].suffix in MANIFESTS:
        return read_manifest(inputs[0], allow_outside=allow_outside)
    return clips_from_files(inputs)


def _predict(
    model: GatedFusionClassifier,
    store: FrameStore,
    sampling: Sampling,
    clips: list[Clip],
    *,
    top: int,
    embedding: bool,
) -> Iterator[dict[str, Any]]:
    extra = {clip.id: clip.extra for clip in clips}
    samples = StoreClips(store, model.prepare, sampling, labels=[()] * store.videos.num_rows)
    ids = iter(store.videos["id"].to_pylist())
    for batch in DataLoader(Subset(samples, range(store.videos.num_rows)), batch_size=16, collate_fn=collate):
        for prediction in model.predict_batch(batch, top=top):
            clip = next(ids)
            yield {**extra[clip], "id": clip, **prediction.as_json(embedding=embedding)}


@contextmanager
def _writer(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears when it is whole."""
    if out is None:
        yield sys.stdout
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.part")
    with aside.open("w", encoding="utf-8") as file:
        yield file
    aside.replace(out)
