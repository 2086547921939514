"""Watching which frames a backbone finds alike."""

import json
from pathlib import Path

import torch

from framegate.media import FrameStore
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.recipes.pretraining.neighbour_watch import LOOKS, NEIGHBOURS, NeighbourWatch
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.probes.neighbours import shared_neighbours


def backbone(seed: int) -> Backbone:
    torch.manual_seed(seed)
    return Backbone("test_resnet", image_size=32).eval()


def test_an_unchanged_backbone_keeps_all_neighbours_and_another_one_few(store: Path):
    watch = NeighbourWatch(FrameStore(store), total_steps=100, log_every=10)
    first, second = backbone(0), backbone(1)
    assert watch.look(first) == {}
    assert watch.look(first) == {"neighbours_kept": 1.0}
    assert 0 < watch.look(second)["neighbours_kept"] < 0.9


def test_the_agreement_with_a_teacher_is_told_at_every_look(store: Path):
    watch = NeighbourWatch(FrameStore(store), total_steps=100, log_every=10)
    student, teacher = backbone(0), backbone(1)
    few = watch.look(student, teacher=teacher)
    assert few.keys() == {"neighbours_shared"}
    assert 0 < few["neighbours_shared"] < 0.9
    assert watch.look(student, teacher=teacher) == {"neighbours_kept": 1.0, **few}


def test_a_resumed_run_compares_with_the_look_before_it_stopped(store: Path):
    whole, resumed, old = (NeighbourWatch(FrameStore(store), total_steps=100, log_every=10) for _ in range(3))
    whole.look(backbone(0))
    resumed.load_state_dict(whole.state_dict())
    old.load_state_dict({})  # of a checkpoint without it
    assert resumed.look(backbone(1)) == whole.look(backbone(1)) != {}
    assert old.look(backbone(1)) == {}


def test_looks_fall_on_rows_of_metrics_twenty_times_a_run_and_less_often_in_short_ones(store: Path):
    for total, every, expected in ((1000, 10, LOOKS), (95, 10, 4), (95, 1, 4), (40, 7, 2), (30, 1, 1), (7, 1, 0)):
        watch = NeighbourWatch(FrameStore(store), total_steps=total, log_every=every)
        due = [step for step in range(1, total + 1) if watch.is_due(step)]
        assert len(due) == expected
        assert all(step % every == 0 or step == total for step in due)
        assert not due or due[-1] == total


def test_frames_without_neighbours_do_not_count():
    nobody, two = torch.full((1, 2), -1), torch.tensor([[3, -1]])
    assert shared_neighbours(torch.cat([nobody, two]), torch.cat([nobody, two])).item() == 1.0


def test_the_run_tells_its_rows_its_bar_and_its_report(store: Path, tmp_path: Path, capsys):
    options = [f"data.store={store}", f"run_dir={tmp_path}", "backbone.name=test_resnet", "backbone.image_size=32"]
    options += ["optim.batch_size=8", "optim.epochs=3", "log.every=1", "log.wandb_project=null", "data.workers=0"]
    run = pretrain(read_recipe(PretrainConfig, "moco_small", options))
    kept = [json.loads(line).get("neighbours_kept") for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert kept[-1] is not None and 0 <= kept[-1] <= 1
    assert "neighbours kept" in capsys.readouterr().err
    assert "What still changes" in (run / "report.html").read_text()
    assert NEIGHBOURS == 10
