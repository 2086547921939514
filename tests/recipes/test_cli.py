"""The command line: the whole road on a tiny corpus, help, exit codes and bad input."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

VERBS = (
    "demo",
    "corpus",
    "manifest",
    "extract",
    "duplicates",
    "pretrain",
    "probe",
    "audit",
    "export",
    "finetune",
    "evaluate",
    "predict",
    "doctor",
)
TINY = [
    *("backbone.name=test_resnet", "backbone.image_size=32", "optim.batch_size=16", "optim.epochs=2"),
    *("method.queue=40", "log.every=1", "log.wandb_project=null", "data.workers=1"),
]


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pretraining run."""
    from framegate.recipes.config.pretrain_config import PretrainConfig
    from framegate.recipes.config.recipe import read_recipe
    from framegate.recipes.pretrain import pretrain

    runs = tmp_path_factory.mktemp("runs")
    return pretrain(read_recipe(PretrainConfig, "moco_small", [f"data.store={store}", f"run_dir={runs}", *TINY]))


@pytest.fixture(scope="module")
def classifier(store: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished fine-tuning run's classifier folder."""
    from framegate.recipes.config.finetune_config import FinetuneConfig
    from framegate.recipes.config.recipe import read_recipe
    from framegate.recipes.finetune import finetune

    runs = tmp_path_factory.mktemp("runs")
    overrides = [f"data.store={store}", f"run_dir={runs}", f"streams.frames.backbone={run / 'backbone'}"]
    overrides += ["optim.epochs=2", "optim.batch_size=8", "log.wandb_project=null"]
    return finetune(read_recipe(FinetuneConfig, "fusion_small", overrides)) / "classifier"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str, framegate, capsys) -> None:
    assert framegate(verb, "--help") == 0
    assert f"Example: framegate {verb}" in capsys.readouterr().out


def test_help_takes_at_most_0_3_seconds_of_cpu_time() -> None:
    command = [sys.executable, "-c", "from framegate.recipes.cli import main; main(['--help'])"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it takes longer
    seconds = []
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=plain) as process:
            _, status, usage = os.wait4(process.pid, 0)  # of this process alone, unlike RUSAGE_CHILDREN
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        seconds.append(usage.ru_utime + usage.ru_stime)
    assert min(seconds) <= 0.3


def test_the_version_is_printed(framegate, capsys) -> None:
    assert framegate("--version") == 0
    assert capsys.readouterr().out == f"framegate {version('framegate')}\n"


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("pretrain",), ("corpus", "--clips", "0", "--out", "x"), ("--no",)]
)
def test_a_wrong_call_ends_with_2(arguments: tuple[str, ...], framegate) -> None:
    assert framegate(*arguments) == 2


def test_the_store_and_its_summary_account_for_every_clip(store: Path) -> None:
    summary = json.loads((store / "summary.json").read_text())
    assert summary["ok"] + summary["partial"] + summary["failed"] == 40
    assert summary["frames"] > 100
    assert (store / "taxonomy.csv").is_file()


def test_a_run_folder_holds_what_the_contract_names(run: Path) -> None:
    assert {path.name for path in run.iterdir()} >= {
        "config.yaml",
        "metrics.jsonl",
        "checkpoints",
        "backbone",
        "report.html",
    }
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    wanted = {"step", "epoch", "loss", "lr", "momentum", "images_per_second", "data_wait"}
    assert all(wanted <= row.keys() and 0 <= row["data_wait"] <= 1 for row in rows)


def test_online_probes_are_logged_and_change_nothing_else(run: Path, store: Path, framegate, tmp_path: Path) -> None:
    call = ["pretrain", "moco_small", f"data.store={store}", f"run_dir={tmp_path}", *TINY, "log.probe_every=3"]
    assert framegate(*call) == 0
    plain, probed = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (run, tmp_path / "moco_small")
    )
    assert [row["step"] for row in probed if "knn_leaf" in row] == [
        row["step"] for row in plain if row["step"] % 3 == 0
    ]
    assert [row["loss"] for row in probed] == [row["loss"] for row in plain]


def test_the_backbone_opens_in_plain_timm_and_the_card_names_the_recipe(run: Path) -> None:
    model = timm.create_model(f"local-dir:{run / 'backbone'}", pretrained=True, num_classes=10)
    assert model.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert "moco_v2" in (run / "backbone" / "README.md").read_text(encoding="utf-8")


def test_probe_and_export(run: Path, store: Path, framegate, tmp_path: Path, capsys) -> None:
    assert framegate("export", run, "--out", tmp_path / "backbone") == 0
    assert framegate("probe", tmp_path / "backbone", store, "--json", tmp_path / "probe.json") == 0
    exported = json.loads((tmp_path / "probe.json").read_text())
    assert {row["level"] for row in exported["rows"]} == {"1", "2", "3", "leaf"}
    for row in exported["rows"]:
        assert (row["k"], row["tau"]) == ((20, 0.1) if row["protocol"] == "knn" else (None, None))
        assert 0 <= row["low"] <= row["balanced_accuracy"] <= row["high"] <= 1
    # The exported backbone is the run's own: same weights, same figures.
    assert framegate("probe", run / "backbone", store, "--json", tmp_path / "own.json") == 0
    assert json.loads((tmp_path / "own.json").read_text())["rows"] == exported["rows"]
    assert "k = 20, τ = 0.1" in capsys.readouterr().out


def test_export_takes_a_checkpoint_by_name_and_a_backbone_folder(run: Path, framegate, tmp_path: Path, capsys) -> None:
    last = sorted(path.name for path in (run / "checkpoints").iterdir())[-1]
    assert framegate("export", run, "--out", tmp_path / "named", "--checkpoint", last) == 0
    assert framegate("export", run / "backbone", "--out", tmp_path / "onnx", "--format", "onnx") == 0
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == [".framegate.json", "README.md", "model.onnx"]
    card = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
    assert "onnxruntime.InferenceSession" in card
    assert "timm.create_model" not in card
    weights = [(folder / "model.safetensors").read_bytes() for folder in (tmp_path / "named", run / "backbone")]
    assert weights[0] == weights[1]
    capsys.readouterr()
    for wrong, message in (
        (["--checkpoint", "step-0000001"], f"no checkpoint 'step-0000001' (it has {last}; or say last or best)"),
        (["--checkpoint", "best"], "set log.probe_every"),
        (["--format", "torchvision"], "torchvision has no ResNet 'test_resnet'"),
    ):
        assert framegate("export", run, "--out", tmp_path / "x", *wrong) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_export_replaces_earlier_exports_alone(run: Path, classifier: Path, framegate, tmp_path: Path, capsys) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    assert framegate("export", run / "backbone", "--out", mine) == 0
    assert framegate("export", classifier, "--out", mine) == 0
    (mine / "thesis.txt").write_text("years of work")
    held = {path.name for path in mine.iterdir()}
    for source in (run / "backbone", classifier):
        assert framegate("export", source, "--out", mine) == 2
        assert "holds thesis.txt, which no export wrote" in capsys.readouterr().err
        assert framegate("export", source, "--out", mine / "thesis.txt") == 2
        assert "is a file" in capsys.readouterr().err
    assert {path.name for path in mine.iterdir()} == held
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_export_never_replaces_what_it_is_made_of(run: Path, classifier: Path, framegate, capsys) -> None:
    for source, given in ((run / "backbone",) * 2, (classifier, classifier), (classifier, classifier.parent)):
        held = sorted(path.name for path in source.iterdir())
        for out in (source, source / "onnx"):
            assert framegate("export", given, "--out", out, "--format", "onnx") == 2
            assert "would replace what it is made of" in capsys.readouterr().err
        assert sorted(path.name for path in source.iterdir()) == held


def test_a_manifest_is_known_in_capitals_and_comes_alone(classifier: Path, framegate, tmp_path: Path, capsys) -> None:
    manifest = tmp_path / "CLIPS.CSV"
    manifest.write_text("id,title\na,rain tomorrow\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    assert framegate("predict", classifier, manifest, "--out", out) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["id"] == "a"
    for others in ((tmp_path / "more.jsonl",), (tmp_path / "a.mp4",)):
        assert framegate("predict", classifier, manifest, *others, "--out", out) == 2
        assert "CLIPS.CSV: a manifest comes alone" in capsys.readouterr().err


def test_export_of_a_classifier_is_a_copy_or_onnx(classifier: Path, framegate, tmp_path: Path, capsys) -> None:
    for source in (classifier, classifier.parent):
        assert framegate("export", source, "--out", tmp_path / "copy") == 0
        assert {path.name for path in (tmp_path / "copy").iterdir()} == {path.name for path in classifier.iterdir()}
    assert framegate("export", classifier, "--out", tmp_path / "x", "--format", "timm") == 2
    assert "has no format 'timm' (it has: framegate, onnx)" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_the_card_of_an_onnx_classifier_shows_how_to_run_it(classifier: Path, framegate, tmp_path: Path) -> None:
    assert framegate("export", classifier.parent, "--out", tmp_path / "onnx", "--format", "onnx") == 0
    card = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0].replace("PATH", str(tmp_path / "onnx"))
    names = {"frames": np.zeros((1, 2, 3, 32, 32), np.uint8)}
    exec(code, names)
    assert np.exp(names["log_probs"])[0, :4].sum() <= 1 + 1e-4
    assert names["reliability"].tolist() == [[1, 0, 0]]


def test_evaluate(classifier: Path, store: Path, framegate, tmp_path: Path) -> None:
    assert framegate("evaluate", classifier, store, "--json", tmp_path / "evaluation.json") == 0
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(figures["levels"]) == {"1", "2", "3", "leaf"}
    assert {"top1", "top5", "balanced_accuracy", "map", "ece"} <= figures["levels"]["leaf"].keys()
    for how in ("only", "without", "corrupted"):
        assert set(figures["modalities"][how]) == {"frames", "audio", "text"}
    assert figures["n"] > 0
    assert {"hierarchical_f1", "tree_distance"} <= figures.keys()


def test_predict_from_a_manifest_keeps_order_and_reports_broken_files(
    classifier: Path, corpus: Path, framegate, tmp_path: Path, capsys
) -> None:
    video = next((corpus / "videos").glob("*.mp4"))
    (tmp_path / "good.mp4").write_bytes(video.read_bytes())
    (tmp_path / "broken.mp4").write_text("no video")
    (tmp_path / "clips.csv").write_text(
        "id,video,title,shelf\na,good.mp4,Ein Titel,7\nb,broken.mp4,,8\nc,missing.mp4,,9\nd,,only a title,10\n",
        encoding="utf-8",
    )
    assert framegate("predict", classifier, tmp_path / "clips.csv", "--out", tmp_path / "p.jsonl") == 0
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["id"], line["shelf"]) for line in lines] == [("a", "7"), ("d", "10")]
    whole, words = lines
    assert whole["present"] == ["frames", "audio", "text"]
    assert words["present"] == ["text"]
    assert words["reliabilities"]["frames"] == 0
    assert len(whole["path"]) == len(whole["probabilities"]) == 3
    assert whole["probabilities"] == sorted(whole["probabilities"], reverse=True)
    assert abs(sum(whole["reliabilities"].values()) - 1) < 1e-5
    assert len(whole["top"]) == 5
    assert {"id", "score"} == whole["top"][0].keys()
    weights = [frame["attention"] for frame in whole["best_frames"]]
    assert len(weights) == 3
    assert weights == sorted(weights, reverse=True)
    assert all(0 < weight < 1 for weight in weights)
    assert all(frame["time"] >= 0 for frame in whole["best_frames"])
    assert words["best_frames"] == []
    errors = capsys.readouterr().err
    assert "broken.mp4" in errors
    assert "missing.mp4" in errors


def test_predict_fails_only_if_nothing_can_be_read(classifier: Path, framegate, tmp_path: Path) -> None:
    assert framegate("predict", classifier, tmp_path / "gone.mp4", "--out", tmp_path / "p.jsonl") == 1
    assert (tmp_path / "p.jsonl").read_text() == ""


def test_a_threshold_ends_paths_at_what_is_more_probable(classifier: Path, corpus: Path, framegate, capsys) -> None:
    video = sorted((corpus / "videos").glob("*.mp4"))[0]
    assert framegate("predict", classifier, video) == 0
    [whole] = map(json.loads, capsys.readouterr().out.splitlines())
    assert framegate("predict", classifier, video, "--threshold", whole["probabilities"][0] - 1e-6) == 0
    [short] = map(json.loads, capsys.readouterr().out.splitlines())
    assert all(probability > whole["probabilities"][0] - 1e-6 for probability in short["probabilities"])
    assert len(short["path"]) < len(whole["path"])
    assert framegate("predict", classifier, video, "--threshold", 1) == 0
    [nothing] = map(json.loads, capsys.readouterr().out.splitlines())
    assert nothing["path"] == nothing["probabilities"] == []
    assert nothing["top"] == whole["top"]


def test_predict_from_videos_writes_to_the_terminal(classifier: Path, corpus: Path, framegate, capsys) -> None:
    videos = sorted((corpus / "videos").glob("*.mp4"))[:2]
    assert framegate("predict", classifier, *videos) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [video.name for video in videos]


def test_three_bad_rows_and_a_label_outside_the_taxonomy_are_all_named(
    corpus: Path, framegate, tmp_path, capsys
) -> None:
    shutil.copy(corpus / "taxonomy.csv", tmp_path)
    video = next((corpus / "videos").glob("*.mp4"))
    shutil.copy(video, tmp_path / "a.mp4")
    leaf = (tmp_path / "taxonomy.csv").read_text(encoding="utf-8").splitlines()[-1].split(",")[0]
    (tmp_path / "clips.csv").write_text(
        f"id,video,label,split,start,end\na,a.mp4,{leaf},train,,\na,a.mp4,{leaf},train,,\nb,a.mp4,{leaf},trian,,\n"
        f"c,a.mp4,{leaf},train,5,2\nd,a.mp4,{leaf}x,train,,\n",
        encoding="utf-8",
    )
    assert framegate("extract", tmp_path / "clips.csv", "--out", tmp_path / "store") == 2
    message = capsys.readouterr().err
    for line, what in ((3, "a"), (4, "trian"), (5, "end"), (6, f"{leaf}x")):
        assert any(f"clips.csv:{line}" in row and what in row for row in message.splitlines()), message
    assert "'train'" in message
    assert f"'{leaf}'" in message
    assert "Traceback" not in message
    assert not (tmp_path / "store").exists()


def test_a_missing_video_is_a_failure_of_its_own(corpus: Path, framegate, tmp_path: Path) -> None:
    shutil.copy(next((corpus / "videos").glob("*.mp4")), tmp_path / "a.mp4")
    (tmp_path / "clips.csv").write_text("id,video\na,a.mp4\nb,gone.mp4\n")
    assert framegate("extract", tmp_path / "clips.csv", "--out", tmp_path / "store") == 0
    (failure,) = map(json.loads, (tmp_path / "store" / "failures.jsonl").read_text().splitlines())
    assert (failure["id"], failure["stage"], failure["status"]) == ("b", "open", "failed")


def test_extraction_fails_only_if_nothing_at_all_can_be_read(framegate, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("id,video\na,gone.mp4\n")
    assert framegate("extract", tmp_path / "clips.csv", "--out", tmp_path / "store") == 1


def test_what_is_no_store_run_or_classifier_is_refused_plainly(
    run: Path, store: Path, framegate, tmp_path, capsys
) -> None:
    calls = [
        ("probe", "resnet18", tmp_path),
        ("probe", "resnet81", store),
        ("export", tmp_path, "--out", tmp_path / "x"),
        ("evaluate", tmp_path, store),
        ("pretrain", "moco_small", f"data.store={tmp_path / 'none'}", f"run_dir={tmp_path}"),
        ("pretrain", "moco_small", f"data.store={store}", f"run_dir={run.parent}", *TINY),
        ("pretrain", "moco_small", f"data.store={store}", f"run_dir={run.parent}", *TINY, "seed=7", "--resume"),
        ("corpus", "--clips", "8", "--out", store),
    ]
    for call in calls:
        assert framegate(*call) == 2, call
        message = capsys.readouterr().err
        assert message.startswith("framegate: "), (call, message)
        assert "Traceback" not in message


def test_debug_shows_where_an_error_came_from(framegate, tmp_path: Path, capsys) -> None:
    assert framegate("--debug", "probe", "resnet18", tmp_path) == 2
    assert "Traceback" in capsys.readouterr().err


def test_doctor(framegate, tmp_path: Path) -> None:
    assert framegate("doctor", "--json", tmp_path / "doctor.json") == 0
    found = json.loads((tmp_path / "doctor.json").read_text())
    assert found["packages"]["torch"] == torch.__version__.split("+")[0]
    assert found["problems"] == [] or "free" in found["problems"][0]
    assert isinstance(found["missing_scripts"], list)
