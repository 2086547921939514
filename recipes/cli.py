"""The command line: `framegate VERB`, or `python -m framegate.recipes.cli VERB`.

Heavy packages load inside the verb that needs them. A verb's docstring is its help, which `python -OO` leaves out.
"""

import sys
from collections.abc import Sequence
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
    ImageSize,
    Inputs,
    JsonFile,
    LabelFromFolders,
    MaxPixels,
    MemoryMb,
    Sequences,
    Store,
    TaxonomyFile,
    Timeout,
    Workers,
)
from framegate.recipes.program import training_command
from framegate.recipes.terminal import run_app

app = typer.Typer(
    name="framegate",
    help="Self-supervised pretraining for video-frame backbones, and gated-fusion classifiers on top of them.",
    epilog="The whole road in one command: framegate demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        from framegate.media.owned import framegate_version

        typer.echo(f"framegate {framegate_version()}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: framegate demo --out demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results; an earlier demo there is replaced.")] = Path("demo"),
    clips: Annotated[int, typer.Option(min=200, help="Clips in the corpus.")] = 320,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json_file: JsonFile = None,
) -> None:
    """Run the whole road on the embedded corpus: a table, results.json and report.html."""
    from framegate.recipes.demo import run_demo
    from framegate.recipes.reports.results import give

    give(run_demo(out, clips=clips, seed=seed), json_file)


@app.command(epilog="Example: framegate corpus --clips 300 --out corpus")
def corpus(
    clips: Annotated[int, typer.Option(min=1, help="Number of clips.")],
    out: Annotated[Path, typer.Option(help="New folder for videos, manifest.csv and taxonomy.csv.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Workers = None,
    json_file: JsonFile = None,
) -> None:
    """Make the embedded corpus: real videos with audio and titles, from a seed."""
    from framegate.recipes.corpus import make_corpus
    from framegate.recipes.reports.results import Result, give
    from framegate.recipes.training.progress import WorkProgress

    with WorkProgress("corpus", total=clips) as progress:
        summary = make_corpus(
            out, clips=clips, seed=seed, workers=workers, on_progress=lambda done, total: progress.update(done)
        )
    values = {"clips": summary.clips, "programmes": summary.programmes, "splits": summary.splits}
    line = f"{out}: {summary.clips} clips of {summary.programmes} programmes in {summary.seconds:.0f} s"
    give(Result(values | {"seconds": summary.seconds}, line), json_file)


@app.command(epilog="Example: framegate manifest videos --label-from-folders --out clips.csv")
def manifest(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with videos, pictures or sounds.")],
    out: Annotated[Path | None, typer.Option(help="CSV file to write; default: the terminal.")] = None,
    sequences: Sequences = False,
    label_from_folders: LabelFromFolders = False,
    allow_outside: AllowOutside = False,
    json_file: JsonFile = None,
) -> None:
    """Write what lies in a folder as a manifest, to be edited."""
    from framegate.recipes.commands.data.manifest_command import make_manifest
    from framegate.recipes.reports.results import give

    result = make_manifest(
        folder, out=out, sequences=sequences, label_from_folders=label_from_folders, allow_outside=allow_outside
    )
    give(result, json_file)


@app.command(epilog="Example: framegate extract clips.csv --out store --every 2")
def extract(
    inputs: Inputs,
    out: Annotated[
        Path, typer.Option(help="Folder of the frame store; run again, it goes on where it stopped.")
    ] = Path("store"),
    taxonomy: Annotated[
        Path | None, typer.Option(help="Labels must be in it; default: taxonomy.csv beside the manifest, if there.")
    ] = None,
    mode: Annotated[
        Literal["auto", "keyframe", "exact"],
        typer.Option(
            help="Keyframes alone, the exact frames, or keyframes where they are near and exact ones elsewhere."
        ),
    ] = "auto",
    every: Annotated[float, typer.Option(help="Seconds between frames.")] = 1.0,
    frames: Annotated[int | None, typer.Option(help="This many frames a clip, instead of --every.")] = None,
    size: Annotated[int, typer.Option(help="Pixels of a frame's short side.")] = 256,
    quality: Annotated[int, typer.Option(help="JPEG quality, 1 to 100.")] = 90,
    audio_seconds: Annotated[
        float, typer.Option(help="Audio kept of each clip, in evenly spaced windows; inf: all.")
    ] = 30.0,
    dedupe: Annotated[float, typer.Option(help="Drop frames that differ less than this, 0 to 1; 0: none.")] = 0.0,
    timeout: Timeout = 300.0,
    max_pixels: MaxPixels = 8192 * 8192,
    memory_mb: MemoryMb = 4096,
    layout: Annotated[bool, typer.Option(help="Find borders, logos and subtitles.")] = True,
    allow_outside: AllowOutside = False,
    encoding: Encoding = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row and every file, decode and write nothing.")
    ] = False,
    sequences: Sequences = False,
    label_from_folders: LabelFromFolders = False,
    split: Annotated[
        Literal["by-programme", "by-duplicates"],
        typer.Option(help="What stays on one side, where the manifest names no split: programmes; re-uploads, too."),
    ] = "by-programme",
    duplicates: Annotated[bool, typer.Option(help="Look for re-uploads across splits, and warn.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the split, if the manifest has none.")] = 0,
    engine: Annotated[Literal["processes", "ray"], typer.Option(help="Here, or on a Ray cluster.")] = "processes",
    workers: Workers = None,
    json_file: JsonFile = None,
) -> None:
    """Read videos, pictures, sounds and labels into a frame store."""
    from framegate.media import ExtractOptions
    from framegate.recipes.commands.data.extract_command import extract_manifest
    from framegate.recipes.reports.results import give

    options = ExtractOptions(
        mode=mode,
        every=every,
        frames=frames,
        size=size,
        quality=quality,
        audio_seconds=None if audio_seconds == float("inf") else audio_seconds,
        dedupe=dedupe,
        timeout=timeout,
        max_pixels=max_pixels,
        memory_mb=memory_mb,
    )
    result = extract_manifest(
        inputs,
        out,
        taxonomy=taxonomy,
        options=options,
        layout=layout,
        allow_outside=allow_outside,
        encoding=encoding,
        dry_run=dry_run,
        sequences=sequences,
        label_from_folders=label_from_folders,
        split=split,
        duplicates=duplicates,
        seed=seed,
        engine=engine,
        workers=workers,
    )
    give(result, json_file)
    if result.values["ok"] + result.values["partial"] == 0:
        raise typer.Exit(1)


@app.command(epilog="Example: framegate duplicates store --json duplicates.json")
def duplicates(store: Store, json_file: JsonFile = None) -> None:
    """Find clips that are re-uploads of one another, those across splits first."""
    from framegate.recipes.commands.data.duplicates_command import report_duplicates
    from framegate.recipes.reports.results import give

    give(report_duplicates(store), json_file)


def _pretrain_config() -> type[Any]:
    from framegate.recipes.config.pretrain_config import PretrainConfig

    return PretrainConfig


def _pretrain(config: Any, *, resume: bool, force: bool) -> None:
    from framegate.recipes.pretrain import pretrain

    pretrain(config, resume=resume, force=force)


app.command(
    help="Pretrain a backbone on a store's frames, without labels.",
    epilog="Example: framegate pretrain moco_small data.store=store name=first optim.epochs=50",
)(training_command("pretrain", _pretrain_config, _pretrain))


@app.command(epilog="Example: framegate probe runs/first/backbone store")
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


@app.command(epilog="Example: framegate audit runs/first/backbone store --page audit.html")
def audit(
    backbone: BackboneName,
    store: Store,
    arch: Arch = None,
    image_size: ImageSize = None,
    frames: Annotated[int, typer.Option(min=60, help="Largest number of frames that take part.")] = 900,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the painted overlays.")] = 0,
    page: Annotated[Path | None, typer.Option(help="Write a page with plots, .html, and its plot as .png.")] = None,
    taxonomy: TaxonomyFile = None,
    json_file: JsonFile = None,
) -> None:
    """Measure how much a backbone depends on subtitles, logos and borders."""
    from framegate.recipes.commands.training.audit_command import audit_backbone
    from framegate.recipes.reports.results import give

    result = audit_backbone(
        backbone, store, arch=arch, image_size=image_size, frames=frames, seed=seed, taxonomy=taxonomy, page=page
    )
    give(result, json_file)


@app.command(epilog="Example: framegate export runs/first --out backbone --checkpoint best --format onnx")
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


app.command(
    help="Train the gated-fusion classifier on a store's labelled clips.",
    epilog="Example: framegate finetune fusion_small data.store=store streams.frames.backbone=backbone",
)(training_command("finetune", _finetune_config, _finetune))


@app.command(epilog="Example: framegate evaluate runs/fusion/classifier store --json evaluation.json")
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


@app.command(epilog="Example: framegate predict runs/fusion/classifier film.mp4 --out predictions.jsonl")
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


@app.command(epilog="Example: framegate views store --out sheet.png --backbone runs/first/backbone")
def views(
    store: Store,
    out: Annotated[Path, typer.Option(help="Picture to write, .png or .jpg.")],
    frames: Annotated[int, typer.Option(min=1, help="How many frames, evenly spaced over the store.")] = 8,
    image_size: Annotated[int, typer.Option(min=16, help="Pixels a side.")] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    backbone: Annotated[str | None, typer.Option(help="Show where this backbone looks, too.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Draw a sheet of frames with their views, and each augmentation alone."""
    from framegate.recipes.commands.data.views_command import draw_views
    from framegate.recipes.reports.results import give

    give(draw_views(store, out, frames=frames, image_size=image_size, seed=seed, backbone=backbone), json_file)


@app.command(epilog="Example: framegate doctor")
def doctor(
    path: Annotated[Path, typer.Option(help="Folder on the disk whose free space is shown.")] = Path(),
    json_file: JsonFile = None,
) -> None:
    """Show what is installed, which devices there are, and what is missing."""
    from framegate.recipes.commands.data.doctor import examine
    from framegate.recipes.reports.results import give

    give(examine(path), json_file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0 done, or that of the error (see `FramegateError`)."""
    run_app(app, sys.argv[1:] if arguments is None else arguments, name="framegate")


if __name__ == "__main__":
    main()
