"""Write the backbone of a pretraining run, finished or not, or of a backbone folder, in a format of choice."""

import json
from collections.abc import Callable
from pathlib import Path

from framegate.media import FrameStore, MediaError
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe, read_values
from framegate.recipes.pretraining.plain_statistics import describe_plain_frames, training_frames
from framegate.recipes.reports.cards import BACKBONE_USAGE, backbone_card, source_card, with_usage
from framegate.recipes.reports.results import Result
from framegate.recipes.training.checkpoints import choose_checkpoint
from framegate.recipes.training.run_folder import RunError, RunFolder, claim_export
from framegate.ssl.backbones.backbone import Backbone, load_backbone
from framegate.ssl.backbones.backbone_export import export_backbone, export_onnx, export_torchvision
from framegate.ssl.backbones.weights import load_weights

_WRITERS: dict[str, Callable[..., None]] = {
    "timm": export_backbone,
    "torchvision": export_torchvision,
    "onnx": export_onnx,
}


def export(source: Path, out: Path, *, format: str = "timm", checkpoint: str = "last") -> Result:
    """Export a backbone to a folder, in the format that is asked for.

    Args:
        source: a run folder, or a backbone folder.
        out: the folder to write; an earlier export there is replaced.
        format: ``timm``: what `timm.create_model("local-dir:…")` opens; ``torchvision``: the key layout of its ResNets;
            ``onnx``: checked in ONNX Runtime.
        checkpoint: of a run: ``last``, ``best`` (by the online probe), or one by name, ``step-0001500``.

    Raises:
        BackboneError: the folder's weights do not fit.
        ExportError: the backbone cannot be written in this format.
        NotOursError: ``out`` holds something that no export wrote.
        RunError: the folder is neither, the run has no such checkpoint, or there is no such format; or the store is
            gone that a run with ``views.attention`` needs.
    """
    if format not in _WRITERS:
        raise RunError(f"{source}: a backbone has no format '{format}' (it has: {', '.join(_WRITERS)})")
    claim_export(out, source=source)
    if (source / "config.yaml").is_file():
        backbone, card, origin = _from_run(source, checkpoint)
    elif (source / "config.json").is_file():
        backbone, origin = load_backbone(str(source)), source
        card = source_card(source, default=f"# {backbone.model.pretrained_cfg['architecture']}\n")
    else:
        raise RunError(f"{source} is no run folder (config.yaml), nor a backbone or classifier folder (config.json)")
    _WRITERS[format](backbone, out, card=with_usage(card, _usage(format, backbone)))
    return Result(
        {"backbone": str(out), "format": format, "checkpoint": str(origin)}, f"{out}: {format}, from {origin}"
    )


def find_classifier(source: Path) -> Path | None:
    """Return the classifier folder of a fine-tuning run, or ``source`` if it is one itself; None if it is neither.

    Raises:
        RecipeError: its ``config.yaml`` cannot be read.
        RunError: it is a fine-tuning run that has not ended.
    """
    if (source / "config.json").is_file() and (source / "taxonomy.csv").is_file():
        return source
    recipe = source / "config.yaml"
    if not recipe.is_file() or "fusion" not in read_values(recipe):
        return None
    if not (source / "classifier" / "config.json").is_file():
        raise RunError(f"{source}: the run has no classifier yet; end it with framegate finetune … --resume")
    return source / "classifier"


def _from_run(run: Path, which: str) -> tuple[Backbone, str, Path]:
    folder = RunFolder(run)
    config = read_recipe(PretrainConfig, run / "config.yaml", warn=False)
    chosen = choose_checkpoint(folder.checkpoints, which)
    backbone = Backbone(config.backbone.name, image_size=config.backbone.image_size)
    load_weights(backbone.model, chosen)  # of all that the method has, the query encoder's network
    if config.views.attention:
        store = _store_of(config)
        describe_plain_frames(backbone, store, training_frames(config, store))
    step = int(chosen.name.removeprefix("step-"))
    rows = [row for row in folder.rows() if row["step"] <= step]
    audited = json.loads(folder.audit.read_text(encoding="utf-8")) if folder.audit.is_file() else None
    return (
        backbone,
        backbone_card(config, rows, audited=audited if audited and audited["step"] == step else None),
        chosen,
    )


def _store_of(config: PretrainConfig) -> FrameStore:
    try:
        return FrameStore(config.data.store)
    except MediaError as error:
        raise RunError(
            f"{error}\nof a run with views.attention, a checkpoint's batch norms describe changed views; to describe "
            "frames as they are takes the store it was trained on"
        ) from error


def _usage(format: str, backbone: Backbone) -> str:
    mean, std = backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()
    size = backbone.image_size
    match format:
        case "timm":
            return BACKBONE_USAGE
        case "torchvision":
            name = backbone.model.pretrained_cfg["architecture"]
            return (
                "import torch, torchvision\nfrom safetensors.torch import load_file\n"
                f"model = torchvision.models.{name}()\nmodel.fc = torch.nn.Identity()\n"
                'model.load_state_dict(load_file("PATH/model.safetensors"), strict=True)\n'
                f"# pixels: (rgb / 255 - mean) / std, with mean {_short(mean)} and std {_short(std)}"
            )
        case _:
            return (
                'import onnxruntime\nsession = onnxruntime.InferenceSession("PATH/model.onnx")\n'
                f"# images: (any number, {len(mean)}, {size}, {size}) float32 in 0-1; they are normalised inside\n"
                'features = session.run(["features"], {"images": images})[0]'
            )


def _short(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
