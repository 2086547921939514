"""Write a backbone for other libraries: timm, torchvision's ResNets, and ONNX."""

import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from timm.models import save_for_hf
from torch import Tensor, nn

from framegate.media.errors import FramegateError
from framegate.media.files import folder_aside, write_text
from framegate.media.owned import MODELS, put_in_place, refuse_foreign
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.weights import save_tensors

TOLERANCE = 1e-4
"""Largest difference of an exported network's features from the backbone's; relative to the largest one if above 1."""


class ExportError(FramegateError, ValueError):
    """Raised for a backbone that cannot be written in the format asked for."""


def export_backbone(backbone: Backbone, folder: Path, *, card: str) -> None:
    """Write ``config.json``, ``model.safetensors`` and the model card: all of them, or none.

    The folder opens with ``timm.create_model("local-dir:PATH", pretrained=True)``, its input size and pixel
    normalisation included.

    Args:
        backbone: the network to write; for MoCo, the query encoder.
        folder: where to write; only an older export there is replaced, see `framegate.media.owned`.
        card: the model card, Markdown.

    Raises:
        NotOursError: ``folder`` holds something that no export wrote.
    """

    def write(aside: Path) -> None:
        model = _plain(backbone).model
        model.pretrained_cfg = _config(backbone)
        model_args = {"img_size": backbone.image_size} if model.pretrained_cfg["fixed_input_size"] else None
        save_for_hf(model, str(aside), safe_serialization=True, model_args=model_args)
        (aside / "model.safetensors").chmod((aside / "config.json").stat().st_mode)  # timm makes it private

    _write_folder(folder, card, write)


def export_torchvision(backbone: Backbone, folder: Path, *, card: str) -> None:
    """Write ``model.safetensors`` in the key layout of torchvision's ResNet of the same name, and the model card.

    The network goes into it by ``load_state_dict(strict=True)`` once its ``fc`` is an ``Identity``. Its pixels must be
    normalised outside, with the mean and standard deviation in the file's metadata.

    Raises:
        ExportError: torchvision has no such ResNet.
    """
    plain = _plain(backbone)
    name = plain.model.pretrained_cfg["architecture"]
    models = torchvision.models
    known = [
        name for name in models.list_models() if models.get_model_builder(name).__module__ == models.resnet.__name__
    ]
    if name not in known:
        raise ExportError(
            f"torchvision has no ResNet '{name}'; formats timm and onnx take it (it has: {', '.join(known)})"
        )
    network = torchvision.models.get_model(name)
    network.fc = nn.Identity()
    try:
        network.load_state_dict(plain.model.state_dict(), strict=True)
    except RuntimeError as error:
        raise ExportError(f"torchvision's {name} is not timm's: {str(error).splitlines()[-1].strip()}") from error
    images = _pictures(backbone)
    with torch.no_grad():
        _compare(network.eval()(plain.normalise(images)), plain(images), f"torchvision's {name}")
    pixels = {"mean": plain.mean.flatten().tolist(), "std": plain.std.flatten().tolist()}
    metadata = {"format": "pt", "architecture": name, **{key: json.dumps(value) for key, value in pixels.items()}}
    tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    _write_folder(folder, card, lambda aside: save_tensors(tensors, aside / "model.safetensors", metadata=metadata))


def export_onnx(backbone: Backbone, folder: Path, *, card: str) -> None:
    """Write ``model.onnx`` and the model card, checked against the backbone in ONNX Runtime.

    Input ``images``: (B, channels, S, S) float32 in 0–1 with any B and the backbone's image size S; the pixel
    normalisation is inside. Output ``features``: (B, dim) float32.

    Raises:
        ExportError: the extra ``framegate[onnx]`` is not installed; the backbone does not translate; or ONNX Runtime's
            features differ from the backbone's by more than `TOLERANCE`.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(f"ONNX needs the package {error.name}: pip install 'framegate[onnx]'") from error
    plain = _plain(backbone)

    def write(aside: Path) -> None:
        file = aside / "model.onnx"
        _translate(plain, file)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        for batch in (1, 3):
            images = _pictures(backbone, batch)
            (features,) = session.run(["features"], {"images": images.numpy()})
            with torch.no_grad():
                _compare(torch.from_numpy(features), plain(images), "ONNX Runtime")

    _write_folder(folder, card, write)


def _translate(backbone: Backbone, file: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            program = torch.onnx.export(
                backbone,
                (_pictures(backbone, 2),),
                dynamo=True,
                input_names=["images"],
                output_names=["features"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                verbose=False,
            )
        assert program is not None
        program.save(str(file), external_data=False)
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"{backbone.name} does not translate to ONNX: {str(error).splitlines()[0]}") from error


def _plain(backbone: Backbone) -> Backbone:
    """Copy the backbone to the CPU for evaluation, with contiguous tensors, as safetensors needs them."""
    return copy.deepcopy(backbone).cpu().float().eval().to(memory_format=torch.contiguous_format)


def _pictures(backbone: Backbone, batch: int = 2) -> Tensor:
    size = backbone.image_size
    return torch.rand(batch, len(backbone.mean), size, size, generator=torch.Generator().manual_seed(batch))


def _compare(found: Tensor, expected: Tensor, where: str) -> None:
    apart = (found - expected).abs().max().item()
    if not apart <= TOLERANCE * max(1.0, expected.abs().max().item()):
        raise ExportError(f"features in {where} differ from the backbone's by {apart:.1e}")


def _write_folder(folder: Path, card: str, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a new folder, add the card, and put it in its place; if it fails, nothing has changed."""
    refuse_foreign(folder, kinds=MODELS)
    with folder_aside(folder) as aside:
        write(aside)
        write_text(aside / "README.md", card)
        put_in_place(aside, folder, kind="backbone", kinds=MODELS)


def _config(backbone: Backbone) -> dict[str, Any]:
    """Return timm's config for these weights, without the facts about weights that timm would download."""
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
