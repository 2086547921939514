"""Runs, demos and exports in folders that a stranger, or the user himself, has put other things into."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi
from torch import nn

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.streams import FramesConfig, StreamsConfig, TextConfig
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media.manifest.paths import final_name
from framegate.media.owned import MARKER, NotOursError
from framegate.recipes import demo
from framegate.recipes.commands.training.export_backbone import export
from framegate.recipes.commands.training.export_classifier import export_classifier
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.reports.cards import backbone_card, source_card
from framegate.recipes.training.checkpoints import complete_checkpoints, save_checkpoint
from framegate.recipes.training.run_folder import RunError, RunFolder
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of the user's, to which a stranger's links lead."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    return folder


def kept(mine: Path) -> bool:
    return {path.name: path.read_text() for path in mine.iterdir()} == {"thesis.txt": "years of work"}


def recipe(runs: Path) -> PretrainConfig:
    return read_recipe(PretrainConfig, "moco_small", ["data.store=/home/anna/stores/films", f"run_dir={runs}"])


# -- runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".lock", "metrics.jsonl", "checkpoints", "wandb"])
def test_a_run_folder_with_a_link_in_it_is_refused(tmp_path: Path, mine: Path, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(mine if "." not in name[1:] and name != ".lock" else mine / "thesis.txt")
    with pytest.raises(RunError, match=f"{name} is a link"), RunFolder(run).held():
        pass
    with pytest.raises(OSError, match=r"metrics|symbolic"):  # nor is a row appended through a link that came later
        (run / "metrics.jsonl").unlink(missing_ok=True)
        (run / "metrics.jsonl").symlink_to(mine / "thesis.txt")
        RunFolder(run).log({"step": 1})
    assert kept(mine)


def test_a_run_does_not_end_in_a_folder_that_framegate_did_not_write(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    (run.path / "backbone").mkdir(parents=True)
    (run.path / "backbone" / "config.json").write_text("mine")
    with pytest.raises(NotOursError, match=r"backbone holds config\.json, which no export wrote"):
        run.check(recipe(tmp_path), resume=True)


def test_checkpoints_that_are_links_are_neither_read_nor_deleted(tmp_path: Path, mine: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    links = ("step-0000001", ".step-0000001.old", ".step-0000002.part", ".step-notes")
    for name in links:
        (folder / name).symlink_to(mine)
    (folder / ".step-by-step").mkdir()  # no name of ours
    (folder / ".step-0000003.part").mkdir()  # what a killed process has left
    for step in (5, 6, 7):
        save_checkpoint(folder, step=step, modules={"net": module}, optimizer=optimizer, extra={}, keep=1)
    assert [path.name for path in complete_checkpoints(folder)] == ["step-0000007"]
    assert {path.name for path in folder.iterdir()} == {*links, ".step-by-step", "step-0000007"}
    with pytest.raises(FileExistsError):
        save_checkpoint(folder, step=2, modules={"net": module}, optimizer=optimizer, extra={})
    assert (folder / ".step-0000002.part").is_symlink()
    assert kept(mine)


# -- exports --------------------------------------------------------------------------------------------------------


def classifier_folder(folder: Path) -> Path:
    torch.manual_seed(0)
    streams = StreamsConfig(
        frames=FramesConfig(backbone="test_resnet"), audio=None, text=TextConfig(width=32, vocabulary=300)
    )
    config = ClassifierConfig(streams=streams, fusion=FusionConfig(width=16))
    taxonomy = folder.parent / "taxonomy.csv"
    taxonomy.write_text("id,parent,name,definition\na,,A,\nb,,B,\n", encoding="utf-8")
    model = GatedFusionClassifier.create(config, Taxonomy.read(taxonomy), texts=["rain"], image_size=32)
    model.save_pretrained(folder)
    (folder / "README.md").write_text("# Mine\n", encoding="utf-8")
    return folder


def test_an_export_keeps_what_a_person_has_put_into_the_folder(tmp_path: Path) -> None:
    backbone = tmp_path / "backbone"
    export_backbone(Backbone("test_resnet", image_size=32), backbone, card="")
    for name, made in (("model.onnx", False), ("sound/voice.wav", False), ("config.json", False), ("voice.onnx", True)):
        out = tmp_path / f"out-{name.replace('/', '-')}"
        if made:
            export(backbone, out)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
        with pytest.raises(NotOursError, match="which no export wrote"):
            export(backbone, out)
        with pytest.raises(NotOursError, match="which no export wrote"):  # nor does the library itself
            export_backbone(Backbone("test_resnet", image_size=32), out, card="")
        assert (out / name).read_text() == "mine"


def test_of_a_classifier_the_known_files_are_exported_alone(tmp_path: Path, mine: Path) -> None:
    source, out = classifier_folder(tmp_path / "source"), tmp_path / "out"
    known = {path.relative_to(source).as_posix() for path in source.rglob("*")}
    (source / ".env").write_text("TOKEN=secret")
    (source / "notes").mkdir()
    (source / "notes" / "thesis.txt").symlink_to(mine / "thesis.txt")
    (source / "tokenizer" / "mine").symlink_to(mine)
    export_classifier(source, out, format="framegate")
    assert {path.relative_to(out).as_posix() for path in out.rglob("*")} == known | {MARKER}
    assert not any(path.is_symlink() for path in out.rglob("*"))
    assert (out / "README.md").read_text() == "# Mine\n"
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_a_push_to_a_public_repository_takes_a_word_where_nobody_can_be_asked(
    tmp_path: Path, framegate, capsys, monkeypatch
) -> None:
    class Public:
        private = False

    uploaded: list[list[str]] = []
    monkeypatch.setattr(HfApi, "repo_exists", lambda self, name: True)
    monkeypatch.setattr(HfApi, "repo_info", lambda self, name: Public())
    monkeypatch.setattr(HfApi, "create_repo", lambda self, name, **options: None)
    monkeypatch.setattr(HfApi, "upload_folder", lambda self, **what: uploaded.append(what["allow_patterns"]) or "there")
    source = classifier_folder(tmp_path / "source")
    call = ("export", source, "--out", tmp_path / "out", "--push", "someone/news")
    assert framegate(*call) == 2
    assert "hf-hub:someone/news is public, and nothing was uploaded: say --public" in capsys.readouterr().err
    assert uploaded == []
    assert framegate(*call, "--public") == 0
    assert set(uploaded[0]) >= {"config.json", "model.safetensors", "README.md", "tokenizer/tokenizer.json"}
    assert not set(uploaded[0]) & {MARKER, ".env"}


@pytest.mark.parametrize("name", ["README.md", "taxonomy.csv", "tokenizer/tokenizer.json", "tokenizer"])
def test_a_link_out_of_a_classifier_is_not_followed(tmp_path: Path, name: str) -> None:
    source = classifier_folder(tmp_path / "source")
    (source / name).rename(tmp_path / "secret")
    (source / name).symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match=f"{name} is a link out of the folder"):
        export_classifier(source, tmp_path / "out", format="framegate")
    assert not (tmp_path / "out").exists()


def test_a_snapshot_in_the_hubs_cache_whose_files_are_links_is_exported(tmp_path: Path) -> None:
    source = classifier_folder(tmp_path / "source")
    home = tmp_path / "models--someone--news"
    snapshot = home / "snapshots" / "0123"
    for number, path in enumerate(path for path in source.rglob("*") if path.is_file()):
        blob = home / "blobs" / str(number)
        blob.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, blob)
        link = snapshot / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    export_classifier(snapshot, tmp_path / "out", format="framegate")
    assert (tmp_path / "out" / "README.md").read_text() == "# Mine\n"
    GatedFusionClassifier.from_pretrained(tmp_path / "out")


# -- cards ----------------------------------------------------------------------------------------------------------


def test_cards_name_no_path_of_this_machine(tmp_path: Path) -> None:
    card = backbone_card(recipe(tmp_path / "runs"), [])
    assert "store: films\n" in card
    assert "run_dir: runs\n" in card
    assert "/home/anna" not in card
    assert str(tmp_path) not in card


def test_names_of_timm_and_of_hubs_stay_in_cards(tmp_path: Path, monkeypatch) -> None:
    for name in ("resnet18", "timm", "hf-hub:timm/vit_small", "FacebookAI/xlm-roberta-base"):
        assert final_name(name) == name
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    paths = (
        "/home/anna/b",
        "~/b",
        "./b",
        "runs/first/b",
        "local-dir:/home/anna/b",
        "local-dir:b",
        "C:\\anna\\models\\b",
    )
    assert [final_name(path) for path in paths] == ["b"] * len(paths)
    assert final_name("runs/first") == "first"


def test_a_card_of_an_older_version_loses_its_paths_when_it_is_exported(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# x\n```yaml\ndata:\n  store: /home/anna/films\nseed: 0\n```\nSee /docs.\n")
    assert source_card(tmp_path, default="") == "# x\n```yaml\ndata:\n  store: films\nseed: 0\n```\nSee /docs.\n"
    (tmp_path / "README.md").write_bytes(b"x" * (2 << 20))
    assert source_card(tmp_path, default="none") == "none"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "README.md").symlink_to("../secret")
    (tmp_path / "secret").write_text("secret")
    assert source_card(tmp_path / "folder", default="none") == "none"


# -- the demo -------------------------------------------------------------------------------------------------------


def interrupt(*_: object) -> float:
    raise KeyboardInterrupt


def interrupted_demo(out: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        demo.run_demo(out, clips=4)


def test_a_demo_replaces_what_an_interrupted_one_made_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(demo, "_knn", interrupt)  # Ctrl-C once the store is there
    out = tmp_path / "demo"
    interrupted_demo(out)
    first = json.loads((out / MARKER).read_text())
    assert "store/videos.arrow" in first["files"]
    interrupted_demo(out)
    assert json.loads((out / MARKER).read_text())["files"] == first["files"]
    for name in ("corpus/mine.mp4", "notes.txt"):
        (out / name).write_text("mine")
        with pytest.raises(NotOursError, match=f"demo holds {name}, which no demo wrote"):
            demo.run_demo(out, clips=4)
        assert (out / "store" / "videos.arrow").exists()
        (out / name).unlink()


def test_a_demo_of_a_version_without_lists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".framegate-demo").touch()
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(NotOursError, match=r"a version that kept no lists.*name another folder, or move this one away"):
        demo.run_demo(tmp_path, clips=4)
    assert (tmp_path / "results.json").exists()
