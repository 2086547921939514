"""Report installed versions, devices and possible problems of this machine."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from framegate.media.extraction.cores import usable_cores
from framegate.recipes.reports.fonts import missing_fonts_advice, missing_scripts
from framegate.recipes.reports.results import Result, table

PACKAGES = (
    *("framegate", "torch", "torchvision", "timm", "lightly", "torchaudio", "albumentations", "transformers"),
    *("wandb", "accelerate", "einops", "av", "pyarrow"),
)
_LITTLE_SPACE = 5 * 2**30


def examine(path: Path) -> Result:
    """Return versions, devices, FFmpeg, W&B, free space and scripts without a font, and a line for each problem."""
    import av
    import torch

    from framegate.recipes.training.tracking import logged_in

    versions = {name: _version(name) for name in PACKAGES}
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    free = shutil.disk_usage(path).free
    problems = [f"{name} is not installed" for name, found in versions.items() if found is None]
    without_font = missing_scripts()
    free_gib = round(free / 2**30, 1)
    if free < _LITTLE_SPACE:
        problems.append(f"only {free_gib} GiB are free at {path.resolve()}")
    values: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": versions,
        "ffmpeg": av.ffmpeg_version_info,
        "cores": usable_cores(),
        "gpus": gpus,
        "wandb": os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline"),
        "free_gib": free_gib,
        "missing_scripts": without_font,
        "problems": problems,
    }
    rows = [["python", values["python"]], *([name, found or "missing"] for name, found in versions.items())]
    rows += [
        ["FFmpeg (in PyAV)", values["ffmpeg"]],
        ["cores", str(values["cores"])],
        ["GPUs", ", ".join(gpus) or "none"],
    ]
    rows += [["W&B", values["wandb"]], ["free space", f"{free_gib} GiB"]]
    rows += [["fonts", f"none for {len(without_font)} scripts" if without_font else "for every script"]]
    lines = [f"! {problem}" for problem in problems] or ["Nothing is in the way."]
    if without_font:  # in nothing's way: pages may be read on another machine
        lines.append(missing_fonts_advice(without_font))
    return Result(values, "\n".join([table(["what", "found"], rows), *lines]))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
