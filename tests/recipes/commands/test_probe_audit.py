"""`framegate probe` and `framegate audit` on every kind of backbone, and on input that cannot be measured."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import timm
import torch

from framegate.media import FrameStore
from framegate.recipes.pretraining.audit_rows import audit_metrics
from framegate.recipes.reports.audit_page import add_audit, audit_card
from framegate.recipes.reports.page import Page
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone

TINY = ("--image-size", "32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("backbone") / "backbone"
    export_backbone(Backbone("test_resnet", image_size=32), path, card="")
    return path


@pytest.fixture(scope="module")
def lightly_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights as a lightly training leaves them: a query and a momentum encoder in one state dict."""
    torch.manual_seed(2)
    state = timm.create_model("test_resnet", num_classes=0).state_dict()
    path = tmp_path_factory.mktemp("lightly") / "lightly.pth"
    momentum = {f"backbone_momentum.{key}": torch.zeros_like(value) for key, value in state.items()}
    torch.save({"state_dict": {f"backbone.{key}": value for key, value in state.items()} | momentum}, path)
    return path


def relabelled(store: Path, target: Path, labels: list[str]) -> Path:
    """The store with other labels and no taxonomy, its shards linked."""
    target.mkdir()
    for file in store.iterdir():
        if file.name not in ("videos.arrow", "taxonomy.csv", "features"):
            (target / file.name).hardlink_to(file)
    videos = pa.ipc.open_stream((store / "videos.arrow").read_bytes()).read_all()
    place = videos.schema.get_field_index("label")
    videos = videos.set_column(place, videos.schema.field("label"), pa.array(labels, pa.string()))
    with pa.ipc.new_stream(str(target / "videos.arrow"), videos.schema) as writer:
        writer.write_table(videos)
    return target


@pytest.mark.parametrize("kind", ["timm name", "folder", "lightly state dict"])
def test_probe_and_audit_take_any_backbone(kind, folder, lightly_file, store, framegate, tmp_path, capsys) -> None:
    call: tuple[object, ...] = {
        "timm name": ("test_resnet", store, *TINY),
        "folder": (folder, store),
        "lightly state dict": (lightly_file, store, "--arch", "test_resnet", *TINY),
    }[kind]
    assert framegate("probe", *call, "--json", tmp_path / "probe.json") == 0
    probed = json.loads((tmp_path / "probe.json").read_text())
    assert {row["protocol"] for row in probed["rows"]} == {"knn", "linear", "few_shot"}
    fields = {"protocol", "k", "tau", "shots", "level", "accuracy", "balanced_accuracy", "low", "high"}
    assert all(fields <= row.keys() for row in probed["rows"])
    assert "knn, k = 20, τ = 0.1" in capsys.readouterr().out

    assert framegate("audit", *call, "--frames", 60, "--json", tmp_path / "audit.json") == 0
    audited = json.loads((tmp_path / "audit.json").read_text())
    assert 0 <= audited["score"] <= 1
    assert set(audited["overlays"]) == {"subtitle", "logo", "border", "all"}
    wanted = {"decodability", "decodability_chance", "same_overlay_neighbours", "neighbours_chance", "drift", "gap"}
    for row in audited["overlays"].values():
        assert wanted <= row.keys()
        assert set(row["accuracy"]) == {"clean", "same", "swapped"}
        assert row["gap"] == pytest.approx(row["accuracy"]["same"] - row["accuracy"]["swapped"])
    assert "score" in capsys.readouterr().out


def test_random_weights_are_the_same_every_time_and_features_are_kept(store, framegate, tmp_path) -> None:
    for name in ("a", "b"):
        assert framegate("probe", "test_resnet", store, *TINY, "--json", tmp_path / name) == 0
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()
    kept = list((store / "features").glob("test_resnet-*/features.safetensors"))
    assert kept
    before = {file: file.stat().st_mtime_ns for file in kept}
    assert framegate("probe", "test_resnet", store, *TINY) == 0
    assert {
        file: file.stat().st_mtime_ns for file in (store / "features").glob("test_resnet-*/*.safetensors")
    } == before


def test_fine_tuning_is_a_row_of_its_own(store, framegate, tmp_path) -> None:
    for name in ("a", "b"):
        call = ("probe", "test_resnet", store, *TINY, "--fine-tune", 3, "--json", tmp_path / name)
        assert framegate(*call) == 0
    rows = json.loads((tmp_path / "a").read_text())["rows"]
    assert [(row["steps"], row["level"]) for row in rows if row["protocol"] == "fine_tune"] == [(3, "leaf")]
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


def test_a_store_without_labels_is_refused_by_probe_and_audited_as_far_as_it_goes(
    store, framegate, tmp_path, capsys
) -> None:
    bare = relabelled(store, tmp_path / "bare", [""] * FrameStore(store).videos.num_rows)
    assert framegate("probe", "test_resnet", bare, *TINY) == 2
    assert "no clip has a label" in capsys.readouterr().err
    assert framegate("audit", "test_resnet", bare, *TINY, "--frames", 60, "--json", tmp_path / "audit.json") == 0
    audited = json.loads((tmp_path / "audit.json").read_text())
    assert audited["overlays"]["all"]["accuracy"] is None
    assert any("accuracy under overlays is not measured" in note for note in audited["notes"])


def test_a_class_with_one_clip_is_left_out_and_said_so(store, framegate, tmp_path, capsys) -> None:
    split = FrameStore(store).videos["split"].to_pylist()
    labels = ["shows/a" if number % 2 else "shows/b" for number in range(len(split))]
    labels[split.index("test")] = "shows/alone"
    odd = relabelled(store, tmp_path / "odd", labels)
    assert framegate("probe", "test_resnet", odd, *TINY, "--json", tmp_path / "probe.json") == 0
    assert "1 of 3 classes have no clip to learn from" in capsys.readouterr().out
    assert {row["level"] for row in json.loads((tmp_path / "probe.json").read_text())["rows"]} == {"2", "leaf"}

    labels[split.index("test")], labels[split.index("train")] = "shows/a", "shows/alone"
    odd = relabelled(store, tmp_path / "odder", labels)
    assert framegate("probe", "test_resnet", odd, *TINY) == 0
    assert "1 of 3 classes have no clip to be measured on" in capsys.readouterr().out


def test_every_clip_of_one_class_is_refused(store, framegate, tmp_path, capsys) -> None:
    one = relabelled(store, tmp_path / "one", ["a"] * FrameStore(store).videos.num_rows)
    assert framegate("probe", "test_resnet", one, *TINY) == 2
    assert "two classes" in capsys.readouterr().err


def test_a_backbone_of_another_size_is_refused_plainly(lightly_file, store, framegate, capsys) -> None:
    for verb in ("probe", "audit"):
        assert framegate(verb, lightly_file, store, "--arch", "resnet18", *TINY) == 2
        message = capsys.readouterr().err
        assert "weights are not" in message and "Traceback" not in message
        assert framegate(verb, "test_vit", store, "--image-size", 3) == 2
        message = capsys.readouterr().err
        assert "3" in message and "Traceback" not in message, message


def test_the_page_the_picture_the_card_and_the_section(store, framegate, tmp_path) -> None:
    page, values = tmp_path / "audit.html", tmp_path / "audit.json"
    call = ("audit", "test_resnet", store, *TINY, "--frames", 60, "--page", page, "--json", values)
    assert framegate(*call) == 0
    html = page.read_text(encoding="utf-8")
    assert html.count("<img") == 2
    assert 'src="data:image/png;base64,' in html and "http" not in html.replace("http-equiv", "")
    assert (tmp_path / "audit.png").stat().st_size > 5000
    audited = json.loads(values.read_text())
    card = audit_card(audited)
    assert card.startswith("## Shortcut audit") and f"**{audited['score']:.3f}**" in card
    assert len([line for line in card.splitlines() if line.startswith("|")]) == 6
    assert framegate("audit", "test_resnet", store, *TINY, "--page", tmp_path / "audit.png") == 2
    assert (tmp_path / "audit.png").read_bytes()[1:4] == b"PNG"
    section = Page("a report")
    add_audit(section, audited)
    section.write(tmp_path / "report.html")
    assert "Shortcut audit" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_light_audit_gives_numbers_for_a_row_of_metrics(store) -> None:
    backbone = Backbone("test_resnet", image_size=32).train()
    metrics = audit_metrics(backbone, FrameStore(store))
    assert set(metrics) == {
        "audit_score",
        "audit_decodability",
        "audit_same_overlay_neighbours",
        "audit_drift",
    }
    assert all(isinstance(value, float) for value in metrics.values())
    assert backbone.training
