"""A corpus of hostile inputs through the command line: a plain error or a right answer, within bounds, and no more.

Each hostile folder is given to one verb, the verbs taking turns; `make hostile` gives it to every verb.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.streams.streams import AudioConfig, FramesConfig, StreamsConfig, TextConfig
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media import ExtractOptions
from framegate.recipes.commands.data.extract_command import extract_manifest
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from tests.recipes.hostile import media, models, stores, texts
from tests.recipes.hostile.sandbox import Outcome, Sandbox, is_crowded, listening, snapshot, wait_a_moment

MEGABYTES, SECONDS = 2048, 20
EVERY_VERB = "FRAMEGATE_EVERY_VERB" in os.environ
Harm = Callable[[Path], None]
Command = tuple[object, ...]
LIMITS = ("--timeout", 15, "--memory-mb", 1500)
TINY = [
    *("backbone.name=test_resnet", "backbone.image_size=32", "optim.batch_size=16", "optim.epochs=1"),
    *("method.queue=40", "log.every=1", "log.wandb_project=null", "data.workers=0"),
]


@pytest.fixture(scope="module")
def valid(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, a backbone and a classifier that are as they should be, and a film."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("valid")
    extract_manifest(corpus / "manifest.csv", folder / "store", options=ExtractOptions(every=2.0, size=64))
    backbone = Backbone("test_resnet", image_size=32)
    export_backbone(backbone, folder / "backbone", card="# card\n")
    parts = {"frames": FramesConfig(backbone="test_resnet"), "audio": AudioConfig(), "text": TextConfig(width=32)}
    model = GatedFusionClassifier.create(
        ClassifierConfig(streams=StreamsConfig(**parts)),
        Taxonomy.read(folder / "store" / "taxonomy.csv"),
        texts=["evening news", "weather"],
        image_size=32,
        sampling=Sampling(frames=2, audio_seconds=2.0),
    )
    model.save_pretrained(folder / "classifier")
    shutil.copy(next((corpus / "videos").glob("*.mp4")), folder / "film.mp4")
    return folder


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path, str, list[str]]]:
    """Where commands run, their home, and who listens to what they call."""
    home = tmp_path_factory.mktemp("home")
    (home / ".bashrc").write_text("# mine\n")
    with listening() as (address, calls):
        sandbox = Sandbox(home, listener=address)
        yield sandbox, home, address, calls
        sandbox.close()


@pytest.fixture
def place(watched: tuple[Sandbox, Path, str, list[str]], tmp_path: Path) -> "Place":
    return Place(tmp_path, *watched)


class Place:
    """A folder with a secret, beside which commands run that are watched; what they make goes into ``out``."""

    def __init__(self, path: Path, sandbox: Sandbox, home: Path, listener: str, calls: list[str]) -> None:
        self.path, self.sandbox, self.home, self.listener, self.calls = path, sandbox, home, listener, calls
        self.out = path / "out"
        self.secret = path / "secret.mp4"
        self.secret.write_bytes(b"secret")

    def check(self, what: str, *arguments: object, fails: bool | None = None, spared: Path | None = None) -> Outcome:
        """Run a command and hold it to what is promised; ``spared``: a folder that it may write into, besides."""
        self.out.mkdir()
        before = self._look(spared)
        outcome = self.sandbox.run(*arguments)
        wait_a_moment()
        told = f"{what}: framegate {' '.join(map(str, arguments))}\n{outcome}"
        assert outcome.code in ((2,) if fails else (0, 1, 2)), told
        assert "Traceback" not in outcome.errors, told
        assert outcome.code == 0 or outcome.errors.strip(), told
        assert max(map(len, outcome.errors.split("\n"))) < 1000, told
        assert not set("\x1b\x07\u202e\u2066") & set(outcome.errors), told
        assert outcome.megabytes < MEGABYTES, told
        assert outcome.cpu_seconds < SECONDS, told
        assert outcome.seconds < SECONDS or is_crowded(), told
        assert self._look(spared) == before, told
        assert not self.calls, f"{self.calls}: {told}"
        shutil.rmtree(self.out)
        return outcome

    def _look(self, spared: Path | None) -> dict[str, object]:
        ours = (self.out, self.home / ".cache", self.home / ".config", spared)
        return {
            name: found
            for name, found in (snapshot(self.path) | snapshot(self.home)).items()
            if not any(place is not None and Path(name).is_relative_to(place) for place in ours)
        }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_valid_folders_pass(valid: Path, place: Place) -> None:
    for arguments in _of_store(valid / "store", valid, place.out):
        assert place.check("valid", *arguments, spared=None).code == 0
    for arguments in _of_classifier(valid / "classifier", valid, place.out):
        assert place.check("valid", *arguments).code == 0
    for arguments in _of_backbone(valid / "backbone", valid, place.out):
        assert place.check("valid", *arguments).code == 0


def _of_store(store: Path, valid: Path, out: Path) -> list[Command]:
    run = [f"data.store={store}", f"run_dir={out}", *TINY]
    return [
        ("views", store, "--out", out / "sheet.png", "--frames", 4, "--image-size", 32),
        ("probe", valid / "backbone", store),
        ("pretrain", "moco_small", *run),
        ("evaluate", valid / "classifier", store, "--split", "all", "--page", out / "page.html"),
    ]


def _of_classifier(classifier: Path, valid: Path, out: Path) -> list[Command]:
    return [
        ("predict", classifier, valid / "film.mp4", "--out", out / "predictions.jsonl", "--workers", 1),
        ("evaluate", classifier, valid / "store", "--split", "all"),
        ("export", classifier, "--out", out / "classifier"),
    ]


def _of_backbone(backbone: Path, valid: Path, out: Path) -> list[Command]:
    return [
        ("probe", backbone, valid / "store"),
        ("export", backbone, "--out", out / "backbone"),
        ("views", valid / "store", "--out", out / "sheet.png", "--frames", 2, "--backbone", backbone),
    ]


def _in_turn(commands: list[Command], harm: Harm, harms: Sequence[Harm]) -> list[Command]:
    return commands if EVERY_VERB else [commands[harms.index(harm) % len(commands)]]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", stores.HARMS, ids=lambda harm: harm.__name__)
def test_a_hostile_store(harm: Harm, valid: Path, place: Place) -> None:
    store = Path(shutil.copytree(valid / "store", place.path / "store"))
    harm(store)
    for arguments in _in_turn(_of_store(store, valid, place.out), harm, stores.HARMS):
        place.check(harm.__name__, *arguments, spared=store / "features")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", models.OF_CLASSIFIERS, ids=lambda harm: harm.__name__)
def test_a_hostile_classifier(harm: Harm, valid: Path, place: Place) -> None:
    classifier = Path(shutil.copytree(valid / "classifier", place.path / "classifier"))
    harm(classifier)
    for arguments in _in_turn(_of_classifier(classifier, valid, place.out), harm, models.OF_CLASSIFIERS):
        place.check(harm.__name__, *arguments)
    assert not list(place.path.rglob("it-ran"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", models.OF_BACKBONES, ids=lambda harm: harm.__name__)
def test_a_hostile_backbone(harm: Harm, valid: Path, place: Place) -> None:
    backbone = Path(shutil.copytree(valid / "backbone", place.path / "backbone"))
    harm(backbone)
    for arguments in _in_turn(_of_backbone(backbone, valid, place.out), harm, models.OF_BACKBONES):
        place.check(harm.__name__, *arguments)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hostile_media(valid: Path, place: Place) -> None:
    media.write_media(place.path / "media", listener=place.listener, secret=place.secret)
    manifest = place.path / "media" / "clips.csv"
    rows = manifest.read_text().count("\n") - 1
    for mode in ("keyframe", "exact"):
        result = place.path / f"{mode}.json"
        arguments = ("extract", manifest, "--out", place.out / "store", "--mode", mode, *LIMITS, "--json", result)
        place.check(mode, *arguments, spared=result)
        values = json.loads(result.read_text())
        assert values["ok"] + values["partial"] + values["failed"] == rows
    place.check("predict", "predict", valid / "classifier", manifest, "--out", place.out / "p.jsonl", *LIMITS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hostile_manifests_and_trees(place: Place) -> None:
    folder = place.path / "texts"
    folder.mkdir()
    for manifest in texts.manifests(folder, listener=place.listener, secret=place.secret):
        place.check(manifest.name, "extract", manifest, "--out", place.out / "store", *LIMITS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hostile_recipes(valid: Path, place: Place) -> None:
    folder = place.path / "texts"
    folder.mkdir()
    for recipe in texts.recipes(folder):
        place.check(
            recipe.name, "pretrain", recipe, f"data.store={valid / 'store'}", f"run_dir={place.out}", fails=True
        )
    assert not list(place.path.rglob("it-ran"))
