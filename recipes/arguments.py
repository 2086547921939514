"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer


def _claim_json(file: Path | None) -> Path | None:
    if file is None:
        return None
    from framegate.recipes.reports.results import claim_json

    return claim_json(file)


JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", callback=_claim_json, help="Write what is printed as JSON, too."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of one in framegate.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Replace values of the recipe.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in the folder, if there is one.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Continue it although the recipe, the store or the number of processes has changed."),
]
Processes = Annotated[int, typer.Option(min=1, help="Train on this many processes of this machine.")]
BackboneName = Annotated[str, typer.Argument(metavar="BACKBONE", help="A timm name, a folder, or with --arch a file.")]
Arch = Annotated[str | None, typer.Option(help="The timm model that a file of weights belongs to.")]
ImageSize = Annotated[int | None, typer.Option(min=1, help="Pixels a side; default: that of the backbone.")]
Store = Annotated[Path, typer.Argument(metavar="STORE", help="A frame store.")]
Classifier = Annotated[Path, typer.Argument(metavar="CLASSIFIER", help="A classifier folder.")]
Inputs = Annotated[
    list[Path], typer.Argument(metavar="MANIFEST|FOLDER|FILE...", help="One manifest; or folders and media files.")
]
Sequences = Annotated[
    bool, typer.Option("--sequences", help="In a folder: each folder of pictures is one clip, not each picture.")
]
LabelFromFolders = Annotated[
    bool, typer.Option("--label-from-folders", help="Label clips by their folders, which become the taxonomy.")
]
AllowOutside = Annotated[
    bool, typer.Option("--allow-outside", help="Accept paths and links out of the manifest's folder.")
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="How tables are read that are not in UTF-8, such as shift_jis.")
]
Timeout = Annotated[float, typer.Option(help="Seconds that one file may take.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Files with larger pictures are refused.")]
MemoryMb = Annotated[int, typer.Option(min=256, help="Megabytes that a process which decodes may take.")]
TaxonomyFile = Annotated[Path | None, typer.Option(help="Default: the one that the labels were checked against.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
