"""The command line: `framegate VERB`, or `python -m framegate.recipes.cli VERB`.

Heavy packages load inside the verb that needs them. A verb's docstring is its help, which `python -OO` leaves out.
"""

import logging
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    name="framegate",
    help="Self-supervised pretraining for video-frame backbones, and gated-fusion classifiers on top of them.",
    epilog="The whole road in one command: framegate demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_CALL_ERRORS = tuple(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
"""Typer's errors of a wrong call; from which package they come differs between its versions."""


def _claim_json(file: Path | None) -> Path | None:
    if file is None:
        return None
    from framegate.recipes.results import claim_json

    return claim_json(file)


JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", callback=_claim_json, help="Write what is printed as JSON, too."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or one of framegate's own by name.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Replace values of the recipe.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in the folder, if there is one.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Continue it although the recipe, the store or the number of processes has changed."),
]
Processes = Annotated[int, typer.Option(min=1, help="Train on this many processes of this machine.")]
BackboneName = Annotated[str, typer.Argument(metavar="BACKBONE", help="A timm name, a folder, or with --arch a file.")]
Arch = Annotated[str | None, typer.Option(help="The timm model that a file of weights belongs to.")]
ImageSize = Annotated[int | None, typer.Option(min=1, help="Pixels a side; default: the backbone's own.")]
Store = Annotated[Path, typer.Argument(metavar="STORE", help="A frame store.")]
Classifier = Annotated[Path, typer.Argument(metavar="CLASSIFIER", help="A classifier folder.")]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Accept paths out of the manifest's folder.")]
Timeout = Annotated[float, typer.Option(help="Seconds that one file may take.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Files with larger pictures are refused.")]
MemoryMb = Annotated[int, typer.Option(min=256, help="Megabytes that a process which decodes may take.")]
TaxonomyFile = Annotated[Path | None, typer.Option(help="Default: the one that the labels were checked against.")]


@app.callback()
def _options(debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False) -> None:
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
    from framegate.recipes.results import give

    give(run_demo(out, clips=clips, seed=seed), json_file)


@app.command(epilog="Example: framegate corpus --clips 300 --out corpus")
def corpus(
    clips: Annotated[int, typer.Option(min=1, help="How many.")],
    out: Annotated[Path, typer.Option(help="New folder for videos, manifest.csv and taxonomy.csv.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Workers = None,
    json_file: JsonFile = None,
) -> None:
    """Make the embedded corpus: real videos with sound and titles, from a seed."""
    from framegate.recipes.corpus import make_corpus
    from framegate.recipes.progress import WorkProgress
    from framegate.recipes.results import Result, give

    with WorkProgress("corpus", total=clips) as progress:
        summary = make_corpus(
            out, clips=clips, seed=seed, workers=workers, on_progress=lambda done, total: progress.update(done)
        )
    values = {"clips": summary.clips, "programmes": summary.programmes, "splits": summary.splits}
    line = f"{out}: {summary.clips} clips of {summary.programmes} programmes in {summary.seconds:.0f} s"
    give(Result(values | {"seconds": summary.seconds}, line), json_file)


@app.command(epilog="Example: framegate extract clips.csv --out store --every 2")
def extract(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="CSV or JSONL that names the clips.")],
    out: Annotated[Path, typer.Option(help="Folder of the frame store; run again, it goes on where it stopped.")],
    taxonomy: Annotated[
        Path | None, typer.Option(help="Labels must be in it; default: taxonomy.csv beside the manifest, if there.")
    ] = None,
    mode: Annotated[
        Literal["keyframe", "exact"], typer.Option(help="Keyframes near the times, or exact ones.")
    ] = "keyframe",
    every: Annotated[float, typer.Option(help="Seconds between frames.")] = 1.0,
    frames: Annotated[int | None, typer.Option(help="This many frames a clip, instead of --every.")] = None,
    size: Annotated[int, typer.Option(help="Pixels of a frame's short side.")] = 256,
    quality: Annotated[int, typer.Option(help="JPEG quality, 1 to 100.")] = 90,
    audio_seconds: Annotated[
        float, typer.Option(help="Sound kept of each clip, in windows spread over it; inf: all.")
    ] = 30.0,
    dedupe: Annotated[float, typer.Option(help="Drop frames that differ less than this, 0 to 1; 0: none.")] = 0.0,
    timeout: Timeout = 300.0,
    max_pixels: MaxPixels = 8192 * 8192,
    memory_mb: MemoryMb = 4096,
    layout: Annotated[bool, typer.Option(help="Find borders, logos and subtitles.")] = True,
    allow_outside: AllowOutside = False,
    seed: Annotated[int, typer.Option(help="Of the split, where the manifest has none.")] = 0,
    engine: Annotated[Literal["processes", "ray"], typer.Option(help="Here, or on a Ray cluster.")] = "processes",
    workers: Workers = None,
    json_file: JsonFile = None,
) -> None:
    """Read videos, sound and labels into a frame store."""
    from framegate.media import ExtractOptions
    from framegate.recipes.extract import extract_manifest
    from framegate.recipes.results import give

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
        manifest,
        out,
        taxonomy=taxonomy,
        options=options,
        layout=layout,
        allow_outside=allow_outside,
        seed=seed,
        engine=engine,
        workers=workers,
    )
    give(result, json_file)
    if result.values["ok"] + result.values["partial"] == 0:
        raise typer.Exit(1)


@app.command(epilog="Example: framegate pretrain moco_small data.store=store name=first optim.epochs=50")
def pretrain(
    recipe: Recipe,
    overrides: Overrides = None,
    resume: Resume = False,
    force: Force = False,
    processes: Processes = 1,
    json_file: JsonFile = None,
) -> None:
    """Pretrain a backbone on a store's frames, without labels."""
    from framegate.recipes.config import read_recipe
    from framegate.recipes.launch import launch
    from framegate.recipes.pretrain_config import PretrainConfig
    from framegate.recipes.results import give, run_result

    config = read_recipe(PretrainConfig, recipe, overrides or [], warn=processes == 1)  # else the first process warns
    if processes > 1:
        launch("pretrain", recipe, overrides or [], processes=processes, resume=resume, force=force)
    else:
        from framegate.recipes.pretrain import pretrain as run

        run(config, resume=resume, force=force)
    give(run_result(config.run_dir / config.name, "backbone"), json_file)


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
    from framegate.recipes.probe import probe_backbone
    from framegate.recipes.results import give

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
    frames: Annotated[int, typer.Option(min=60, help="How many take part, at most.")] = 900,
    seed: Annotated[int, typer.Option(min=0, help="Of the overlays that are painted.")] = 0,
    page: Annotated[Path | None, typer.Option(help="Write a page with plots, .html, and its plot as .png.")] = None,
    taxonomy: TaxonomyFile = None,
    json_file: JsonFile = None,
) -> None:
    """Measure how far a backbone leans on subtitles, logos and borders."""
    from framegate.recipes.audit import audit_backbone
    from framegate.recipes.results import give

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
    from framegate.recipes.export import export as write
    from framegate.recipes.export import find_classifier
    from framegate.recipes.results import give

    if (classifier := find_classifier(run)) is not None:
        from framegate.recipes.export_classifier import export_classifier

        ask = (lambda _: True) if public else typer.confirm if sys.stdin.isatty() else None
        give(export_classifier(classifier, out, format=format or "framegate", push=push, confirm=ask), json_file)
    elif push is not None:
        raise typer.BadParameter("only classifiers are pushed", param_hint="--push")
    else:
        give(write(run, out, format=format or "timm", checkpoint=checkpoint), json_file)


@app.command(epilog="Example: framegate finetune fusion_small data.store=store streams.frames.backbone=backbone")
def finetune(
    recipe: Recipe,
    overrides: Overrides = None,
    resume: Resume = False,
    force: Force = False,
    processes: Processes = 1,
    json_file: JsonFile = None,
) -> None:
    """Train the gated-fusion classifier on a store's labelled clips."""
    from framegate.recipes.config import read_recipe
    from framegate.recipes.finetune_config import FinetuneConfig
    from framegate.recipes.launch import launch
    from framegate.recipes.results import give, run_result

    config = read_recipe(FinetuneConfig, recipe, overrides or [], warn=processes == 1)  # else the first process warns
    if processes > 1:
        launch("finetune", recipe, overrides or [], processes=processes, resume=resume, force=force)
    else:
        from framegate.recipes.finetune import finetune as run

        run(config, resume=resume, force=force)
    give(run_result(config.run_dir / config.name, "classifier"), json_file)


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
    from framegate.recipes.evaluate import evaluate_classifier
    from framegate.recipes.results import give

    give(evaluate_classifier(classifier, store, split=split, against=against, classes=classes, page=page), json_file)


@app.command(epilog="Example: framegate predict runs/fusion/classifier film.mp4 --out predictions.jsonl")
def predict(
    classifier: Classifier,
    inputs: Annotated[list[Path], typer.Argument(metavar="MANIFEST|VIDEO...", help="One manifest, or videos.")],
    out: Annotated[Path | None, typer.Option(help="JSONL file; default: the terminal.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Leaves listed for each clip.")] = 5,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="End paths at the most specific node more probable than this."),
    ] = None,
    embedding: Annotated[bool, typer.Option("--embedding", help="Add each clip's fused vector.")] = False,
    allow_outside: AllowOutside = False,
    workers: Workers = None,
    timeout: Timeout = 300.0,
    max_pixels: MaxPixels = 8192 * 8192,
    memory_mb: MemoryMb = 4096,
    json_file: JsonFile = None,
) -> None:
    """Classify videos, or the clips of a manifest."""
    from framegate.media import Limits
    from framegate.recipes.predict import predict_inputs
    from framegate.recipes.results import give

    result = predict_inputs(
        classifier,
        inputs,
        out=out,
        top=top,
        threshold=threshold,
        embedding=embedding,
        allow_outside=allow_outside,
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
    frames: Annotated[int, typer.Option(min=1, help="How many frames, spread over the store.")] = 8,
    image_size: Annotated[int, typer.Option(min=16, help="Pixels a side.")] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    backbone: Annotated[str | None, typer.Option(help="Show where this backbone looks, too.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Draw a sheet of frames with their views, and each augmentation alone."""
    from framegate.recipes.results import give
    from framegate.recipes.views import draw_views

    give(draw_views(store, out, frames=frames, image_size=image_size, seed=seed, backbone=backbone), json_file)


@app.command(epilog="Example: framegate doctor")
def doctor(
    path: Annotated[Path, typer.Option(help="Whose disk to look at.")] = Path(),
    json_file: JsonFile = None,
) -> None:
    """Say what is installed, which devices there are, and whether anything is in the way."""
    from framegate.recipes.doctor import examine
    from framegate.recipes.results import give

    give(examine(path), json_file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0 done, or that of the error (see `FramegateError`).

    Names of strangers stand in errors and warnings: what would act on the terminal is shown escaped.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if logging.lastResort is not None:  # the handler of warnings that no one else prints
        logging.lastResort.setFormatter(_VisibleFormatter())
    try:
        code = app(args=arguments, prog_name="framegate", standalone_mode=False)
    except typer.Abort:
        typer.echo("Aborted!", err=True)
        sys.exit(1)
    except Exception as error:
        sys.exit(_tell(error, debug="--debug" in arguments))
    if code:
        sys.exit(code)


def _tell(error: Exception, *, debug: bool) -> int:
    """Write on stderr what went wrong, and return the exit code."""
    from framegate.media.errors import exit_code_of
    from framegate.media.visible import visible_lines

    if isinstance(error, _CALL_ERRORS):
        error.message = visible_lines(error.message)  # type: ignore[attr-defined]
        error.show()  # type: ignore[attr-defined]
        return error.exit_code  # type: ignore[attr-defined]
    if debug:
        typer.echo(visible_lines("".join(traceback.format_exception(error))), err=True, nl=False)
    else:
        typer.echo(f"framegate: {_message(error)}", err=True)
    return exit_code_of(error)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        from framegate.media.visible import visible, visible_lines

        text = super().format(record)
        return visible_lines(text) if record.exc_info or record.stack_info else visible(text)


def _message(error: Exception) -> str:
    from framegate.media.errors import FramegateError
    from framegate.media.visible import visible, visible_error

    if isinstance(error, FramegateError | OSError):
        return visible_error(error)
    words = visible(" ".join(str(error).split()))
    words = words if len(words) <= 500 else f"{words[:500]}…"
    return f"{type(error).__name__}: {words} (framegate --debug … shows where)"


if __name__ == "__main__":
    main()
