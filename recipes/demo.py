"""The whole road on the embedded corpus, in minutes on a CPU: a table, ``results.json`` and ``report.html``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.media import ExtractOptions, FrameStore
from framegate.media.files import write_bytes
from framegate.media.owned import delete_listed, mark, refuse_foreign
from framegate.recipes.commands.data.extract_command import extract_manifest
from framegate.recipes.commands.training.evaluate_command import open_classifier
from framegate.recipes.commands.training.probe_command import probe_rows
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.corpus import make_corpus
from framegate.recipes.finetune import finetune
from framegate.recipes.finetuning.clips import StoreClips
from framegate.recipes.finetuning.measure import ClipOutputs, labelled_rows, run_clips
from framegate.recipes.pretrain import pretrain
from framegate.recipes.reports.demo_report import write_demo_report
from framegate.recipes.reports.demo_results import CLASSIFIERS, DemoResults, results_table
from framegate.recipes.reports.outputs import json_bytes
from framegate.recipes.reports.results import Result
from framegate.recipes.training.progress import WorkProgress
from framegate.recipes.training.training_errors import StoppedError
from framegate.ssl.backbones.backbone import Backbone, load_backbone

_KIND = "demo"
_MADE = ("corpus", "store", "runs", "results.json", "report.html")
"""What a demo makes in its folder."""


def run_demo(out: Path, *, clips: int = 320, seed: int = 0) -> Result:
    """Make the corpus, extract, pretrain, probe, fine-tune, evaluate, and write a report.

    Args:
        out: folder of everything; an earlier demo there is replaced, of which framegate keeps a list.
        clips: size of the corpus.
        seed: of corpus and trainings.

    Raises:
        NotOursError: ``out`` holds something that no demo made.
        StoppedError: a signal stopped a training.
    """
    _claim(out)
    results = DemoResults()
    with _PeakMemory() as memory:
        with timed_stage(out, results, "corpus"), WorkProgress("corpus", total=clips) as progress:
            make_corpus(out / "corpus", clips=clips, seed=seed, on_progress=lambda done, _: progress.update(done))
        with timed_stage(out, results, "extract"):
            extract_manifest(
                out / "corpus" / "manifest.csv", out / "store", options=ExtractOptions(every=1.0, size=144)
            )
        store = FrameStore(out / "store")

        config = read_recipe(PretrainConfig, "moco_small", _common(out, seed, "pretrain", *_PRETRAIN))
        with timed_stage(out, results, "pretrain"):
            torch.manual_seed(seed)  # the weights that pretraining starts from
            results.knn["before"] = _knn(Backbone("resnet18", image_size=config.backbone.image_size), store)
            run = pretrain(config)
            results.knn["after"] = _knn(load_backbone(str(run / "backbone")), store)

        with timed_stage(out, results, "finetune"):
            for name, changes in CLASSIFIERS.items():
                finetune(_classifier_config(out, seed, name, changes))
        with timed_stage(out, results, "evaluate"):
            outputs = {name: _test(out, store, name) for name in CLASSIFIERS}
            for name, (model, clips_of, output) in outputs.items():
                results.add(name, output.metrics(model, clips_of.labels))
    results.peak_memory_mb = round(memory.peak / 2**20)
    with _listed(out):
        write_bytes(out / "results.json", json_bytes(results.as_json()))
        write_demo_report(out, results, config, store, *outputs["gated"])
    return Result(results.as_json(), f"{results_table(results)}\n\n{out / 'report.html'}")


_PRETRAIN = ("optim.epochs=4", "data.workers=1", "checkpoint.every=1000")
_FINETUNE = ("optim.epochs=30", "log.every=20", "checkpoint.every=100000")


def _common(out: Path, seed: int, name: str, *changes: str) -> list[str]:
    return [f"data.store={out / 'store'}", f"run_dir={out / 'runs'}", f"seed={seed}", f"name={name}", *changes]


def _classifier_config(out: Path, seed: int, name: str, changes: tuple[str, ...]) -> FinetuneConfig:
    tracked = () if name == "gated" else ("log.wandb_project=null",)
    backbone = f"streams.frames.backbone={out / 'runs' / 'pretrain' / 'backbone'}"
    return read_recipe(
        FinetuneConfig, "fusion_small", _common(out, seed, name, backbone, *_FINETUNE, *tracked, *changes)
    )


def _knn(backbone: Backbone, store: FrameStore) -> float:
    """Return the balanced kNN accuracy at the leaf, 0–1, on the test split."""
    return next(row.balanced_accuracy for row in probe_rows(backbone, store) if row.level == "leaf")


def _test(out: Path, store: FrameStore, name: str) -> tuple[GatedFusionClassifier, StoreClips, ClipOutputs]:
    model, clips = open_classifier(out / "runs" / name / "classifier", store)
    return model, clips, run_clips(model, clips, labelled_rows(clips, "test"))


def _claim(out: Path) -> None:
    refuse_foreign(out, kinds=(_KIND,), writer="demo")
    if out.exists():
        delete_listed(out, kinds=(_KIND,))
    out.mkdir(parents=True, exist_ok=True)
    mark(out, kind=_KIND, among=_MADE)


@contextmanager
def timed_stage(out: Path, results: DemoResults, name: str) -> Iterator[None]:
    """Time a stage, and list what it has made.

    Raises:
        StoppedError: a signal stopped a training, whose message would name ``--resume``, which the demo does not have.
    """
    with results.timed(name), _listed(out):
        try:
            yield
        except StoppedError as error:
            what = f"the demo was stopped in its stage '{name}' by a signal, and cannot be continued"
            raise StoppedError(f"{what}; run again, it starts over") from error


@contextmanager
def _listed(out: Path) -> Iterator[None]:
    """List what is made within, however it ends: the next demo may replace it."""
    try:
        yield
    finally:
        mark(out, kind=_KIND, among=_MADE)


class _PeakMemory:
    """The largest memory of this process and its workers in all, in bytes; what they share counts for each."""

    peak = 0

    def __enter__(self) -> "_PeakMemory":
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._done.wait(0.5):
            self.peak = max(self.peak, sum(map(_resident, [me, *me.children(recursive=True)])))


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
