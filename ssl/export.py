"""Writing a backbone as a folder that timm opens."""

import copy
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from timm.models import save_for_hf

from framegate.ssl.backbone import Backbone


def export_backbone(backbone: Backbone, folder: Path, *, card: str) -> None:
    """Write ``config.json``, ``model.safetensors`` and the model card; never half of them.

    The folder opens with ``timm.create_model("local-dir:PATH", pretrained=True)``, its input size and pixel
    normalisation included.

    Args:
        backbone: the network to write; for MoCo, the query encoder.
        folder: where to; an older backbone there is replaced.
        card: the model card, Markdown.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        # safetensors holds contiguous tensors only; a network trained channels-last has others.
        model = copy.deepcopy(backbone.model).cpu().to(memory_format=torch.contiguous_format)
        model.pretrained_cfg = _config(backbone)
        model_args = {"img_size": backbone.image_size} if model.pretrained_cfg["fixed_input_size"] else None
        save_for_hf(model, str(aside), safe_serialization=True, model_args=model_args)
        (aside / "README.md").write_text(card, encoding="utf-8")
        aside.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _config(backbone: Backbone) -> dict[str, Any]:
    """What timm needs to know of these weights; nothing of the weights it would have downloaded for this model."""
    of_timm = backbone.model.pretrained_cfg
    size = [3, backbone.image_size, backbone.image_size]
    return {
        **{
            key: of_timm.get(key)
            for key in ("architecture", "mean", "std", "interpolation", "first_conv", "classifier")
        },
        "fixed_input_size": bool(of_timm.get("fixed_input_size")),
        "input_size": size,
        "test_input_size": size,
        "crop_pct": 1.0,
        "num_classes": 0,
    }
