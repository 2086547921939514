"""Write the newest backbone of a pretraining run, finished or not."""

from pathlib import Path

from safetensors.torch import load_file

from framegate.recipes.cards import backbone_card
from framegate.recipes.checkpoints import complete_checkpoints
from framegate.recipes.config import read_recipe
from framegate.recipes.pretrain_config import PretrainConfig
from framegate.recipes.results import Result
from framegate.recipes.run_folder import RunError, RunFolder
from framegate.ssl.backbone import Backbone
from framegate.ssl.export import export_backbone

_BACKBONES = ("method.query_encoder.0.", "method.encoder.0.", "method.backbone.")


def export_run(run: Path, out: Path) -> Result:
    """The query encoder of the run's newest checkpoint as a backbone folder.

    Raises:
        RunError: the folder is no run, or has no checkpoint yet.
    """
    folder = RunFolder(run)
    if not (run / "config.yaml").is_file():
        raise RunError(f"{run} is no run folder: it has no config.yaml")
    if not (checkpoints := complete_checkpoints(folder.checkpoints)):
        raise RunError(f"{run} has no complete checkpoint yet")
    config = read_recipe(PretrainConfig, run / "config.yaml")
    backbone = Backbone(config.backbone.name, image_size=config.backbone.image_size)
    tensors = load_file(checkpoints[-1] / "model.safetensors")
    prefix = next(prefix for prefix in _BACKBONES if any(key.startswith(prefix) for key in tensors))
    backbone.load_state_dict({key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)})
    export_backbone(backbone, out, card=backbone_card(config, folder.rows()))
    return Result({"backbone": str(out), "checkpoint": str(checkpoints[-1])}, f"{out}: {checkpoints[-1].name} of {run}")
