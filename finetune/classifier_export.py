"""A classifier for whatever runs ONNX: a file for each stream, and one for the fusion and the head.

    frames.onnx  frames (B, T, 3, S, S) uint8,     mask (B, T) bool  ->  hidden (B, W), quality (B, 3)
    audio.onnx   audio  (B, T, samples) float32,   mask (B, T) bool  ->  hidden (B, W), quality (B, 3)
                 (of a Hugging Face encoder: what the feature extractor in sound/ makes of the windows)
    text.onnx    tokens (B, L) int64,              mask (B, L) bool  ->  hidden (B, W), quality (B, 3)
    fusion.onnx  hidden (B, 3, W), quality (B, 3, 3), present (B, 3) bool
                 ->  log_probs (B, N), reliability (B, 3), embedding (B, W)

The 3 are frames, audio, text. Of a modality that a clip lacks, ``present`` is False and the rest means nothing; a clip
with none gets the prior. B, T and L are free.
"""

import copy
import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, ClipBatch, Content, Modality, Raw
from framegate.finetune.encoders.hub import window_features
from framegate.finetune.streams.quality import QUALITIES
from framegate.finetune.streams.streams import SetStream, TextStream
from framegate.ssl.backbones.backbone_export import TOLERANCE, ExportError

_INPUT: dict[Modality, str] = {"frames": "frames", "audio": "audio", "text": "tokens"}
"""What a stream's content is called in its file."""
INPUTS = "inputs.json"
"""What the exported streams take: ``image_size`` in pixels, ``mask_overlays``, ``rate`` in Hz, ``window_samples``,
``max_tokens``."""


def export_onnx(model: GatedFusionClassifier, folder: Path) -> None:
    """Write the files above, ``inputs.json`` and what `save_preparation` writes, and check them in ONNX Runtime.

    Every non-empty subset of the model's modalities, and none, must give the model's own answers.

    Raises:
        ExportError: the extra ``framegate[onnx]`` is not installed; a part does not translate; or ONNX Runtime's
            answers differ from the model's by more than ``framegate.ssl.backbones.backbone_export.TOLERANCE``.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(f"ONNX needs the package {error.name}: pip install 'framegate[onnx]'") from error
    model = copy.deepcopy(model).cpu().float().eval().to(memory_format=torch.contiguous_format)
    folder.mkdir(parents=True, exist_ok=True)
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    example = _clips(model, count=2, length=3)
    files: dict[str, Any] = {}
    with torch.no_grad(), _traceable():
        for name, content in example.content.items():
            stream = cast(SetStream | TextStream, model.streams[name])
            module = _ExportedSet(stream) if isinstance(stream, SetStream) else _ExportedText(stream)
            _translate(
                module,
                {_INPUT[name]: content.values, "mask": example.masks[name]},
                ({0: batch, 1: length}, {0: batch, 1: length}),
                ("hidden", "quality"),
                folder / f"{name}.onnx",
            )
        states = {
            "hidden": torch.randn(2, len(MODALITIES), model.config.fusion.width),
            "quality": torch.randn(2, len(MODALITIES), QUALITIES),
            "present": torch.ones(2, len(MODALITIES), dtype=torch.bool),
        }
        outputs = ("log_probs", "reliability", "embedding")
        _translate(_ExportedFusion(model), states, ({0: batch},) * 3, outputs, folder / "fusion.onnx")
        for name in (*model.streams, "fusion"):
            files[name] = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
        _check(model, files)
    prepare = model.prepare
    inputs = {
        "image_size": prepare.image_size,
        "mask_overlays": prepare.mask_overlays,
        "rate": prepare.rate,
        "window_samples": round(prepare.window_seconds * prepare.rate) if prepare.rate is not None else None,
        "max_tokens": prepare.max_tokens if prepare.tokenizer is not None else None,
        "width": model.config.fusion.width,
    }
    (folder / INPUTS).write_text(json.dumps(inputs, indent=1) + "\n", encoding="utf-8")
    model.save_preparation(folder)


class _ExportedSet(nn.Module):
    """A stream over a set, every element of it encoded: which ones are real is not known when the graph is drawn."""

    def __init__(self, stream: SetStream) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, content: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        features = self.stream.encoder(content.flatten(0, 1)).unflatten(0, mask.shape)
        state = self.stream.summarise(features, mask)
        return state.hidden, state.quality


class _ExportedText(nn.Module):
    def __init__(self, stream: TextStream) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, content: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        state = self.stream(Raw(content), mask)
        return state.hidden, state.quality


class _ExportedFusion(nn.Module):
    def __init__(self, model: GatedFusionClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, hidden: Tensor, quality: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        present = present & torch.tensor([name in self.model.streams for name in MODALITIES])
        hidden, quality = hidden * present.unsqueeze(-1), quality * present.unsqueeze(-1)
        output = self.model.fuse(self.model.states(hidden, quality, present))
        return output.log_probs, output.reliability, output.embedding


@contextmanager
def _traceable() -> Iterator[None]:
    """Without torch's fused transformer layer, for which ONNX has no word."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _translate(
    module: nn.Module,
    inputs: dict[str, Tensor],
    dynamic: tuple[dict[int, Any], ...],
    outputs: Sequence[str],
    file: Path,
) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            program = torch.onnx.export(
                module,
                tuple(inputs.values()),
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=dynamic,
                verbose=False,
            )
        assert program is not None
        program.save(str(file), external_data=False)
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"{file.stem} does not translate to ONNX: {str(error).splitlines()[0]}") from error


def run_onnx(sessions: dict[str, Any], batch: ClipBatch, width: int) -> list[Any]:
    """``log_probs``, ``reliability`` and ``embedding`` of a batch, as the exported files give them.

    Args:
        sessions: ONNX Runtime's, by ``fusion`` and the streams' names.
        batch: on the CPU, its content raw.
        width: W of the model.
    """
    size = len(batch)
    hidden, quality = torch.zeros(size, len(MODALITIES), width), torch.zeros(size, len(MODALITIES), QUALITIES)
    present = torch.zeros(size, len(MODALITIES), dtype=torch.bool)
    for m, name in enumerate(MODALITIES):
        if name in sessions and name in batch.content:
            content, mask = batch.content[name].values, batch.masks[name]
            found = sessions[name].run(None, {_INPUT[name]: content.numpy(), "mask": mask.numpy()})
            hidden[:, m], quality[:, m] = (torch.from_numpy(values) for values in found)
            present[:, m] = mask.any(dim=1)
    states = {"hidden": hidden.numpy(), "quality": quality.numpy(), "present": present.numpy()}
    answers: list[Any] = sessions["fusion"].run(None, states)
    return answers


def _check(model: GatedFusionClassifier, sessions: dict[str, Any]) -> None:
    streams = [name in model.streams for name in MODALITIES]
    subsets = [
        subset for subset in itertools.product((False, True), repeat=len(MODALITIES)) if not _beyond(subset, streams)
    ]
    batch = _clips(model, count=3, length=4)
    for subset in subsets:
        chosen = batch.keep(torch.tensor([subset]).expand(len(batch), -1))
        expected = model(chosen)
        for found, wanted in zip(
            run_onnx(sessions, chosen, model.config.fusion.width),
            (expected.log_probs, expected.reliability, expected.embedding),
            strict=True,
        ):
            apart = (torch.from_numpy(found) - wanted).abs().max().item()
            if not apart <= TOLERANCE * max(1.0, wanted.abs().max().item()):
                named = ", ".join(name for name, there in zip(MODALITIES, subset, strict=True) if there) or "nothing"
                raise ExportError(
                    f"ONNX Runtime's answers to clips with {named} differ from the model's by {apart:.1e}"
                )


def _beyond(subset: Sequence[bool], streams: Sequence[bool]) -> bool:
    return any(wanted and not streamed for wanted, streamed in zip(subset, streams, strict=True))


def _clips(model: GatedFusionClassifier, *, count: int, length: int) -> ClipBatch:
    """Random clips of 1 to ``length`` elements in each of the model's modalities."""
    generator = torch.Generator().manual_seed(count)
    prepare = model.prepare
    mask = torch.arange(length) < torch.arange(count).remainder(length).unsqueeze(1) + 1
    content: dict[Modality, Content] = {}
    if prepare.image_size is not None:
        size = (count, length, 3, prepare.image_size, prepare.image_size)
        content["frames"] = Raw(torch.randint(256, size, generator=generator, dtype=torch.uint8))
    if prepare.rate is not None:
        windows = torch.randn(count * length, round(prepare.window_seconds * prepare.rate), generator=generator) * 0.1
        if prepare.extractor is not None:
            windows = window_features(prepare.extractor, windows, prepare.rate)
        content["audio"] = Raw(torch.unflatten(windows, 0, (count, length)))
    if prepare.tokenizer is not None:
        content["text"] = Raw(torch.randint(len(prepare.tokenizer), (count, length), generator=generator))
    return ClipBatch(labels=torch.full((count, 1), -1), content=content, masks=dict.fromkeys(content, mask))
