"""The parts of the quality benchmark that its figures rest on."""

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _siblings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark's files import each other as a script's neighbours."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def drawing(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    picture = np.zeros((40, 60, 4), np.uint8)
    picture[8:32, 10:50] = (*rng.integers(0, 256, 3), 255)
    return picture


def test_the_looks_are_drawn_without_augment() -> None:
    tree = ast.parse((BENCHMARKS / "quality_study" / "quality_clips.py").read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not any(name.startswith("framegate") for name in names if name)


def test_a_look_changes_where_it_lies_and_nothing_else_of_the_clip() -> None:
    from quality_study.quality_clips import StationLook, render_clip

    plain = render_clip(drawing(), None, side=96, seed="a")
    looks = [StationLook.draw(0, station) for station in range(8)]
    for look in looks:
        dressed = render_clip(drawing(), look, side=96, seed="a")
        changed = np.mean([(first != second).any(axis=2).mean() for first, second in zip(plain, dressed, strict=True)])
        assert 0.01 < changed < 0.5
        middle = np.s_[40:56, 40:56]
        assert all(np.array_equal(a[middle], b[middle]) for a, b in zip(plain, dressed, strict=True))
    assert len({repr(look) for look in looks}) == 8


def test_clips_are_functions_of_their_seed() -> None:
    from quality_study.quality_clips import render_clip

    first, again, other = (render_clip(drawing(), None, side=64, seed=seed) for seed in ("a", "a", "b"))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_near_duplicates_stay_out_and_splits_are_by_picture(tmp_path: Path) -> None:
    import cv2
    from quality_study.quality_pictures import CATEGORIES, load_pictures

    for number, folders in enumerate(CATEGORIES["report"].values()):
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for copy in range(6):
            picture = drawing(10 * number + min(copy, 4))  # the last two are one drawing
            cv2.imwrite(str(tmp_path / folders[0] / f"{copy}.png"), picture)
    pictures = load_pictures(tmp_path, "report")
    for category in range(len(CATEGORIES["report"])):
        of_it = [picture for picture in pictures if picture.category == category]
        assert len(of_it) == 5
        assert sum(picture.is_test for picture in of_it) == 1


def test_the_halves_share_no_folder() -> None:
    from quality_study.quality_pictures import CATEGORIES

    report, tune = ({folder for folders in half.values() for folder in folders} for half in CATEGORIES.values())
    assert len(CATEGORIES["report"]) >= 12 and len(CATEGORIES["tune"]) >= 12
    assert not any(a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/") for a in report for b in tune)


def row(seed: int, clean: list[float], same: list[float], swapped: list[float]) -> dict[str, Any]:
    return {
        "seed": seed,
        "share": 1.0,
        "category": [0, 0, 1, 1],
        "right": {"knn": {"clean": clean, "same": same, "swapped": swapped}},
    }


def test_paired_differences_are_of_the_same_seed_and_picture() -> None:
    from quality_study.quality_report import accuracies, paired

    rng = np.random.default_rng(0)
    peers = [row(seed, *(rng.random((3, 4)) / 2).tolist()) for seed in range(3)]
    ours = [
        row(
            peer["seed"],
            *([value + 0.25 for value in peer["right"]["knn"][name]] for name in ("clean", "same", "swapped")),
        )
        for peer in peers
    ]
    # However pictures and seeds scatter, each pair differs by 25 points, so the interval is a point.
    assert paired(ours, peers, "swapped") == pytest.approx((25.0, 25.0, 25.0))
    assert paired(ours, peers, "gap") == pytest.approx((0.0, 0.0, 0.0))
    assert accuracies(ours[0])["clean"] == pytest.approx(accuracies(peers[0])["clean"] + 25)
    shuffled = [row(0, *(rng.random((3, 4))).tolist()) for _ in range(3)]
    middle, low, high = paired(shuffled, peers, "clean")
    assert low < middle < high


def test_lightlys_split_batch_norm_round_trips() -> None:
    from quality_study.quality_peers import _split_batch_norm, _whole_batch_norm

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    split = _split_batch_norm(model)
    images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    split(images)
    split.eval()
    state = _whole_batch_norm(split.state_dict(), model)
    model.load_state_dict(state)
    torch.testing.assert_close(model.eval()(images), split(images))


def test_query_images_count_both_views_of_whole_batches() -> None:
    from quality_study.quality_peers import query_images

    assert query_images(300, epochs=2, frames_per_epoch=1) == 2 * 2 * 256
    assert query_images(300, epochs=1, frames_per_epoch=2) == 2 * 512


def test_every_recipe_gets_the_same_query_images_or_less_than_an_epoch_fewer(tmp_path: Path) -> None:
    from quality_study.quality_rows import Budget, Row, SkippedError, _config, _images_per_epoch

    budget = Budget(epochs=4, frames=1, bf16=False, continued_epochs=1)
    equal = {"images": 10_000, "clips": 300, "budget": budget, "work": tmp_path}
    row = Row(name="x", kind="framegate", seed=0)
    for symmetric, batch, of_an_epoch in (("false", 128, 256), ("true", 128, 512), ("true", 64, 512)):
        extra = (f"method.symmetric={symmetric}", f"optim.batch_size={batch}")
        config = _config(row, tmp_path, extra=extra, **equal)
        assert _images_per_epoch(config, 300) == of_an_epoch
        assert config.optim.epochs == 10_000 // of_an_epoch
    with pytest.raises(SkippedError, match="unknown key"):
        _config(row, tmp_path, extra=("method.nonsense=1",), **equal)


def test_the_command_names_its_rows(tmp_path: Path, capsys, monkeypatch) -> None:
    import ssl_quality

    call = ["x", "--pictures", str(tmp_path), "--out", str(tmp_path), "--list", "--rows", "*-0"]
    monkeypatch.setattr(sys, "argv", call)
    ssl_quality.main()
    listed = capsys.readouterr().out.split()
    assert {"random-0", "lightly-0", "framegate-0", "no-painted-looks-0", "supervised-0", "equal-time-0"} <= set(listed)


def test_the_page_tells_measured_rows_from_those_that_are_not(tmp_path: Path) -> None:
    from quality_study.quality_page import write_pages
    from quality_study.quality_rows import Row

    def measured(kind: str, value: float, image_size: int = 64) -> dict[str, Any]:
        right = {name: [value] * 4 for name in ("clean", "same", "swapped")}
        at = [{"rho": rho, "clean": value, "same": value, "swapped": value} for rho in (0.0, 1.0)]
        chances = {"decodability_chance": 0.1, "neighbours_chance": 0.1}
        every = {"decodability": 0.5, "same_overlay_neighbours": 0.4, "by_rho": at, **chances}
        return {
            **{"kind": kind, "seed": 0, "share": 1.0, "image_size": image_size, "train_cpu_seconds": 60.0, "images": 1},
            **{"settings": {"epochs": 40, "continued_epochs": 4, "bf16": True}, "category": [0, 0, 1, 1]},
            "right": {"knn": right, "linear": right},
        } | {"audit": {"score": 0.25, "overlays": {"all": every}}}

    rows = {"lightly-0": measured("lightly", 0.2), "framegate-0": measured("framegate", 0.3)}
    skipped = {"kind": "attention-crop", "share": 0.5, "seed": 0, "image_size": 64, "skipped": "it needs maps\nof 7"}
    rows["attention-crop-0"] = skipped
    rows["equal-time-0"] = measured("equal-time", 0.3) | {"time_ratio": 1.25}
    rows["imagenet"] = measured("imagenet", 0.4, image_size=128)
    missing = [Row(name="no-looks-0", kind="no-looks", seed=0)]
    missing.append(Row(name="imagenet-continued-0", kind="imagenet-continued", seed=0, image_size=128))
    write_pages(tmp_path / "QUALITY.md", rows, missing=missing)
    page = (tmp_path / "QUALITY.md").read_text(encoding="utf-8")
    assert "| framegate-0 | 30.0 | 30.0 | 30.0 | 0.0 | 30.0 | 30.0 | 0.250 | 0.500 | 0.400 | 1.0 |" in page
    assert "+10.00 [+10.00, +10.00] | 3 |" in page
    assert "**Not measured yet**: `no-looks-0`." in page
    assert "the row has 1.25 times lightly's query images." in page
    assert "Left out: `attention-crop-0`: it needs maps." in page
    assert (tmp_path / "quality_rows" / "quality.png").stat().st_size > 5000
    assert "imagenet" not in page and "--fp32" not in page
    other = (tmp_path / "QUALITY-IMAGENET.md").read_text(encoding="utf-8")
    assert "| imagenet | 40.0 |" in other and "framegate-0" not in other
    assert "**Not measured yet**: `imagenet-continued-0`." in other


def test_a_page_of_which_nothing_is_measured_is_left_as_it_is(tmp_path: Path) -> None:
    from quality_study.quality_page import write_pages

    (tmp_path / "QUALITY.md").write_text("before")
    write_pages(tmp_path / "QUALITY.md", {}, missing=[])
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("QUALITY.md", "before")]


def test_rows_of_a_changed_recipe_stand_beside_the_default_so_changed() -> None:
    from quality_study.quality_report import comparisons

    def half(kind: str, value: float) -> dict[str, Any]:
        return row(0, *([value] * 4,) * 3) | {"kind": kind, "share": 0.5}

    kinds = {"framegate": 0.5, "framegate+wide": 0.75, "no-x": 0.25, "no-x+wide": 0.25}
    lines = comparisons({kind: half(kind, value) for kind, value in kinds.items()})
    clean = {line["case"]: line["difference"] for line in lines if line["case"].endswith(": clean") and line["ours"]}
    assert clean == {
        "default − framegate+wide: clean": pytest.approx(-25),
        "default − no-x: clean": pytest.approx(25),
        "default+wide − no-x: clean": pytest.approx(50),
    }


def test_every_seed_of_continued_pretraining_is_compared_with_the_one_start() -> None:
    from quality_study.quality_report import comparisons

    rows = {"imagenet": row(0, *([0.5] * 4,) * 3) | {"kind": "imagenet"}}
    for seed, value in enumerate((0.5, 0.75, 1.0)):
        rows[f"imagenet-continued-{seed}"] = row(seed, *([value] * 4,) * 3) | {"kind": "imagenet-continued"}
    (clean,) = (line for line in comparisons(rows) if line["case"] == "continued − ImageNet: clean")
    assert clean["difference"] == pytest.approx(25) and clean["peer"] == pytest.approx(50)


def test_a_row_made_with_other_settings_ends_the_call_before_anything_is_made(tmp_path: Path, monkeypatch) -> None:
    import ssl_quality

    (tmp_path / "report" / "rows").mkdir(parents=True)
    (tmp_path / "report" / "rows" / "framegate-0.jsonl").write_text('{"settings": {"epochs": 3}}\n')
    call = ["x", "--pictures", str(tmp_path), "--out", str(tmp_path), "--rows", "random-0", "framegate-0"]
    monkeypatch.setattr(sys, "argv", call)
    with pytest.raises(SystemExit, match="was made with other settings"):
        ssl_quality.main()
    assert not list(tmp_path.rglob("stores-*"))
