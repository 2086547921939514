"""The verbs around training: pretrain, probe, audit, export, finetune, evaluate, predict.

Heavy packages load inside the verb that needs them. A verb's docstring is its help, which `python -OO` leaves out.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from framegate.recipes.arguments import (
    AllowOutside,
    Arch,
    BackboneName,
    Classifier,
    Debug,
    Encoding,
    Force,
    ImageSize,
    Inputs,
    JsonFile,
    MaxPixels,
    MemoryMb,
    Overrides,
    Processes,
    Resume,
    Sequences,
    Store,
    TaxonomyFile,
    Timeout,
    Workers,
)
from framegate.recipes.program import training_command

verbs = typer.Typer()


def _pretrain_config() -> type[Any]:
    from framegate.recipes.config.pretrain_config import PretrainConfig

    return PretrainConfig


def _pretrain(config: Any, *, resume: bool, force: bool) -> None:
    from framegate.recipes.pretrain import pretrain

    pretrain(config, resume=resume, force=force)


_train_backbone = training_command("pretrain", _pretrain_config, _pretrain)


@verbs.command(epilog="Example: framegate pretrain auto data.store=store --budget 2h")
def pretrain(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE|auto", help="A YAML file, the name of one in framegate, or auto: choose one."),
    ],
    overrides: Overrides = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="With auto: what all may take, 2h or 90min; default: 1h.")
    ] = None,
    resume: Resume = False,
    force: Force = False,
    processes: Processes = 1,
    json_file: JsonFile = None,
    debug: Debug = False,
) -> None:
    """Pretrain a backbone on a store's frames, without labels."""
    given = overrides or []
    if recipe == "auto":
        from framegate.recipes.commands.training.pretrain_auto import choose

        recipe, given = choose(given, budget=budget or "1h", processes=processes, resume=resume)
    elif budget is not None:
        raise typer.BadParameter(
            "a time is for the recipe auto; in others optim.epochs says how long", param_hint="--budget"
        )
    _train_backbone(recipe, given, resume, force, processes, json_file, debug)


@verbs.command(epilog="Example: framegate probe runs/first/backbone store")
def probe(
    backbone: BackboneName,
    store: Store,
    arch: Arch = None,
    image_size: ImageSize = None,
    k: Annotated[int, typer.Option(min=1, help="Neighbours that vote.")] = 20,
    tau: Annotated[float, typer.Option(min=0.001, help="Temperature of their votes.")] = 0.1,
    fine_tune: Annotated[
        int, typer.Option(metavar="STEPS", min=0, help="Fine-tune a copy for this many updates, too.")
    ] = 0,
    taxonomy: TaxonomyFile = None,
    json_file: JsonFile = None,
) -> None:
    """Measure a backbone's features on a store's labels: kNN, linear, few-shot and fine-tuned."""
    from framegate.recipes.commands.training.probe_command import probe_backbone
    from framegate.recipes.reports.results import give

    result = probe_backbone(
        backbone, store, arch=arch, image_size=image_size, k=k, tau=tau, fine_tune_steps=fine_tune, taxonomy=taxonomy
    )
    give(result, json_file)


@verbs.command(epilog="Example: framegate audit runs/first/backbone store --page audit.html")
def audit(
    backbone: BackboneName,
    store: Store,
    arch: Arch = None,
    image_size: ImageSize = None,
    frames: Annotated[int, typer.Option(min=60, help="Largest number of frames that take part.")] = 900,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the painted overlays.")] = 0,
    wider: Annotated[
        bool,
        typer.Option("--wider", help="Measure codec, resolution, grade, words and date, too: about twice the time."),
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Write a page with plots, .html, and its plot as .png.")] = None,
    taxonomy: TaxonomyFile = None,
    json_file: JsonFile = None,
) -> None:
    """Measure how much a backbone depends on subtitles, logos and borders."""
    from framegate.recipes.commands.training.audit_command import audit_backbone
    from framegate.recipes.reports.results import give

    result = audit_backbone(
        backbone,
        store,
        arch=arch,
        image_size=image_size,
        frames=frames,
        seed=seed,
        wider=wider,
        taxonomy=taxonomy,
        page=page,
    )
    give(result, json_file)


@verbs.command(epilog="Example: framegate export runs/first --out backbone --checkpoint best --format onnx")
def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A pretraining or fine-tuning run, or its backbone or classifier.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier export there is replaced.")],
    format: Annotated[
        Literal["timm", "torchvision", "framegate", "onnx"] | None,
        typer.Option(help="What shall open it; default: timm, of a classifier framegate. torchvision: ResNets only."),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(help="Of a run: last, best (by the online probe), or step-NNNNNNN.")
    ] = "last",
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload a classifier to the Hugging Face hub, privately.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Upload to a repository that is public already, without a question.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Write a run's backbone, finished or not, for timm, torchvision or ONNX Runtime; or a run's classifier."""
    from framegate.recipes.commands.training.export_backbone import export as write
    from framegate.recipes.commands.training.export_backbone import find_classifier
    from framegate.recipes.reports.results import give

    if (classifier := find_classifier(run)) is not None:
        from framegate.recipes.commands.training.export_classifier import export_classifier

        ask = (lambda _: True) if public else typer.confirm if sys.stdin.isatty() else None
        give(export_classifier(classifier, out, format=format or "framegate", push=push, confirm=ask), json_file)
    elif push is not None:
        raise typer.BadParameter("only classifiers are pushed", param_hint="--push")
    else:
        give(write(run, out, format=format or "timm", checkpoint=checkpoint), json_file)


def _finetune_config() -> type[Any]:
    from framegate.recipes.config.finetune_config import FinetuneConfig

    return FinetuneConfig


def _finetune(config: Any, *, resume: bool, force: bool) -> None:
    from framegate.recipes.finetune import finetune

    finetune(config, resume=resume, force=force)


verbs.command(
    help="Train the gated-fusion classifier on a store's labelled clips.",
    epilog="Example: framegate finetune fusion_small data.store=store streams.frames.backbone=backbone",
)(training_command("finetune", _finetune_config, _finetune))


@verbs.command(epilog="Example: framegate evaluate runs/fusion/classifier store --json evaluation.json")
def evaluate(
    classifier: Classifier,
    store: Store,
    split: Annotated[Literal["train", "val", "test", "all"], typer.Option(help="Which clips.")] = "test",
    against: Annotated[
        Path | None, typer.Option(help="Another classifier folder: list what this one corrects and spoils.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Write a CSV with a row for each leaf.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write a page with the confused clips' frames, .html.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Measure a classifier on a store's labelled clips, per level and per modality."""
    from framegate.recipes.commands.training.evaluate_command import evaluate_classifier
    from framegate.recipes.reports.results import give

    give(evaluate_classifier(classifier, store, split=split, against=against, classes=classes, page=page), json_file)


@verbs.command(epilog="Example: framegate predict runs/fusion/classifier film.mp4 --out predictions.jsonl")
def predict(
    classifier: Classifier,
    inputs: Inputs,
    out: Annotated[Path | None, typer.Option(help="JSONL file; default: the terminal.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Leaves listed for each clip.")] = 5,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="End paths at the most specific node more probable than this."),
    ] = None,
    embedding: Annotated[bool, typer.Option("--embedding", help="Add each clip's fused vector.")] = False,
    allow_outside: AllowOutside = False,
    encoding: Encoding = None,
    sequences: Sequences = False,
    workers: Workers = None,
    timeout: Timeout = 300.0,
    max_pixels: MaxPixels = 8192 * 8192,
    memory_mb: MemoryMb = 4096,
    json_file: JsonFile = None,
) -> None:
    """Classify the clips of a manifest, or of folders and media files."""
    from framegate.media import Limits
    from framegate.recipes.commands.training.predict_command import predict_inputs
    from framegate.recipes.reports.results import give

    result = predict_inputs(
        classifier,
        inputs,
        out=out,
        top=top,
        threshold=threshold,
        embedding=embedding,
        allow_outside=allow_outside,
        encoding=encoding,
        sequences=sequences,
        workers=workers,
        limits=Limits(timeout=timeout, max_pixels=max_pixels, memory_mb=memory_mb),
    )
    give(result, json_file)
    if result.values["predictions"] == 0:
        raise typer.Exit(1)
