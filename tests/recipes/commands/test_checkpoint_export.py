"""What an export takes from a run: a checkpoint as the run's own end would be, and which kind of run it is."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from framegate.recipes.commands.training.export_backbone import export, find_classifier
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.recipes.training.run_folder import RunError
from tests.recipes.runs import TINY

GUIDED = ["optim.epochs=1", "views.attention.drop=0.5", "views.attention.from_epoch=0", "backbone.image_size=64"]


def test_batch_norms_of_a_checkpoint_describe_plain_frames_as_those_of_the_runs_backbone_do(
    store: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "store"
    shutil.copytree(store, kept)
    overrides = [f"data.store={kept}", f"run_dir={tmp_path}", *TINY, *GUIDED]
    run = pretrain(read_recipe(PretrainConfig, "moco_small", overrides))
    export(run, tmp_path / "exported")
    exported, own = (load_file(folder / "model.safetensors") for folder in (tmp_path / "exported", run / "backbone"))
    for name, tensor in own.items():
        if "running" not in name:
            assert exported[name].equal(tensor), name
        elif name.endswith("mean"):  # the run's own saw groups of the batch; a checkpoint's as they are differ by half
            assert (exported[name] - tensor).norm() < 0.2 * tensor.norm(), name

    shutil.rmtree(kept)
    with pytest.raises(RunError, match="takes the store it was trained on"):
        export(run, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_run_is_known_by_the_keys_of_its_recipe_wherever_they_stand(tmp_path: Path) -> None:
    recipe = tmp_path / "config.yaml"
    for text in ("fusion: {name: gmu}\nname: x\n", '{"name": "x", "fusion": {}}'):
        recipe.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="the run has no classifier yet"):
            find_classifier(tmp_path)
    recipe.write_text('name: "x\n\n\nfusion: in a name"\n', encoding="utf-8")
    assert find_classifier(tmp_path) is None
