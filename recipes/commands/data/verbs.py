"""The verbs that make and look at data: corpus, manifest, extract, duplicates, views, doctor.

Heavy packages load inside the verb that needs them. A verb's docstring is its help, which `python -OO` leaves out.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from framegate.recipes.arguments import (
    AllowOutside,
    Encoding,
    Inputs,
    JsonFile,
    LabelFromFolders,
    MaxPixels,
    MemoryMb,
    Sequences,
    Store,
    Timeout,
    Workers,
)

verbs = typer.Typer()


@verbs.command(epilog="Example: framegate corpus --clips 300 --out corpus")
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


@verbs.command(epilog="Example: framegate manifest videos --label-from-folders --out clips.csv")
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


@verbs.command(epilog="Example: framegate extract clips.csv --out store --every 2")
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


@verbs.command(epilog="Example: framegate duplicates store --json duplicates.json")
def duplicates(store: Store, json_file: JsonFile = None) -> None:
    """Find clips that are re-uploads of one another, those across splits first."""
    from framegate.recipes.commands.data.duplicates_command import report_duplicates
    from framegate.recipes.reports.results import give

    give(report_duplicates(store), json_file)


@verbs.command(epilog="Example: framegate views store --out sheet.png --backbone runs/first/backbone")
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


@verbs.command(epilog="Example: framegate doctor")
def doctor(
    path: Annotated[Path, typer.Option(help="Folder on the disk whose free space is shown.")] = Path(),
    json_file: JsonFile = None,
) -> None:
    """Show what is installed, which devices there are, and what is missing."""
    from framegate.recipes.commands.data.doctor import examine
    from framegate.recipes.reports.results import give

    give(examine(path), json_file)
