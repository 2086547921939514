"""How much of a clip a classifier takes, and how it was taken out of its film: ``preprocessing.json`` of its folder."""

import json
from dataclasses import field
from pathlib import Path
from typing import Annotated, Self

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from framegate.finetune.folders.classifier_folder import FolderError, need
from framegate.media import ExtractOptions, MediaError
from framegate.media.files import write_text
from framegate.media.json_files import read_json_object

SAMPLING = "preprocessing.json"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Sampling:
    """How much of a clip the classifier takes: at most ``frames`` of its frames and ``audio_seconds`` of its sound.

    Of those that ``extraction`` took out of the film, which looked for overlays if ``layout``. A value out of range
    raises a ``ValueError``: what is written can be read.
    """

    frames: Annotated[int, Field(ge=1, le=10_000)] = 16
    audio_seconds: Annotated[float, Field(ge=0, le=1e5)] = 10.0
    extraction: ExtractOptions = field(default_factory=ExtractOptions)
    layout: bool = True

    def save(self, folder: Path) -> None:
        """Write it into a classifier folder, for prediction to do the same."""
        content = {
            "frames": self.frames,
            "audio_seconds": self.audio_seconds,
            "extraction": self.extraction.sampling(),
            "layout": self.layout,
        }
        write_text(folder / SAMPLING, json.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read it from a classifier folder.

        Raises:
            FolderError: it is missing or damaged.
        """
        path = need(folder / SAMPLING)
        try:
            told = read_json_object(path)
            extraction = ExtractOptions.of_sampling(dict(told.pop("extraction", {})))
            return cls(**{**told, "extraction": extraction})
        except (ValueError, TypeError, MediaError) as error:
            raise FolderError(f"{path}: not what fine-tuning writes ({str(error).splitlines()[0][:150]})") from error
