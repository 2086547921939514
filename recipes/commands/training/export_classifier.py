"""Write the classifier of a fine-tuning run, or of a classifier folder, in a format of choice."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.classifier_export import export_onnx
from framegate.finetune.folders.classifier_folder import known_files, push_classifier, replace_classifier_folder
from framegate.media.manifest.paths import stays_inside
from framegate.media.visible import visible
from framegate.recipes.reports.cards import source_card, with_usage
from framegate.recipes.reports.results import Result
from framegate.recipes.training.run_folder import RunError, claim_export

FORMATS = ("framegate", "onnx")

_ONNX_USAGE = """import numpy, onnxruntime
sessions = {{name: onnxruntime.InferenceSession(f"PATH/{{name}}.onnx") for name in ({names}, "fusion")}}
hidden = numpy.zeros((1, 3, {width}), numpy.float32)  # of frames, audio and text; a clip may lack any of them
quality, present = numpy.zeros((1, 3, 3), numpy.float32), numpy.zeros((1, 3), bool)
# {shapes}
number = ["frames", "audio", "text"].index("{first}")
mask = numpy.ones({first_input}.shape[:2], bool)  # True where an element is real
hidden[:, number], quality[:, number] = sessions["{first}"].run(None, {{"{first_input}": {first_input}, "mask": mask}})
present[:, number] = True
log_probs, reliability, embedding = sessions["fusion"].run(
    None, {{"hidden": hidden, "quality": quality, "present": present}}
)  # log p of every row of taxonomy.csv; with nothing present, the prior"""


def export_classifier(
    source: Path, out: Path, *, format: str, push: str | None = None, confirm: Callable[[str], bool] | None = None
) -> Result:
    """Export a classifier to a folder, in the format that is asked for; an earlier export in ``out`` is replaced.

    The classifier is opened and written anew: whatever else lies in ``source`` stays there.

    Args:
        source: a classifier folder.
        out: the folder to write.
        format: ``framegate``: what `GatedFusionClassifier.from_pretrained` opens; ``onnx``: see
            `framegate.finetune.classifier_export`.
        push: ``OWNER/NAME`` on the Hugging Face hub to upload the folder to, private; opens as ``hf-hub:OWNER/NAME``.
        confirm: see `push_classifier`.

    Raises:
        ExportError: the classifier does not translate to ONNX.
        FolderError: the folder's weights do not fit; or the hub does not take it.
        NotOursError: ``out`` holds something that no export wrote.
        RunError: a classifier has no such format, or a file of it is a link out of its folder.
    """
    if push is not None and format != "framegate":
        raise RunError("only format framegate goes to the hub: leave --format or --push out")
    if format not in FORMATS:
        raise RunError(f"{source} is a classifier: it has no format '{format}' (it has: {', '.join(FORMATS)})")
    claim_export(out, source=source)
    for name in known_files(source):
        if not stays_inside(source / name, source):
            raise RunError(f"{source / name} is a link out of the folder: replace it by what it leads to")
    model = GatedFusionClassifier.from_pretrained(source)
    card = source_card(source, default=f"# {visible(source.resolve().name)}\n")
    if format == "framegate":
        replace_classifier_folder(out, model.save_pretrained, card=card)
    else:
        replace_classifier_folder(out, partial(export_onnx, model), card=with_usage(card, _onnx_usage(model)))
    values, text = {"classifier": str(out), "format": format}, f"{out}: {format}, from {source}"
    if push is not None:
        values["hub"] = push_classifier(out, push, confirm=confirm)
        text += f"\n{values['hub']}"
    return Result(values, text)


def _onnx_usage(model: GatedFusionClassifier) -> str:
    prepare, shapes = model.prepare, []
    if (size := prepare.image_size) is not None:
        shapes.append(f"frames: (clips, any number, 3, {size}, {size}) uint8 RGB, the middle square of each")
    if prepare.extractor is not None:
        shapes.append("audio: (clips, any number, …) float32, what the feature extractor in sound/ makes of windows")
    elif (rate := prepare.rate) is not None:
        samples = round(prepare.window_seconds * rate)
        shapes.append(f"audio: (clips, any number, {samples}) float32 in -1..1, windows of mono sound at {rate} Hz")
    if prepare.tokenizer is not None:
        shapes.append(f"tokens: (clips, at most {prepare.max_tokens}) int64, by tokenizer/")
    first = next(iter(model.streams))
    return _ONNX_USAGE.format(
        names=", ".join(f'"{name}"' for name in model.streams),
        width=model.config.fusion.width,
        shapes="\n# ".join(shapes),
        first=first,
        first_input="tokens" if first == "text" else first,
    )
