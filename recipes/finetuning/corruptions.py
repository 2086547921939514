"""Clips with a corrupted modality, or with another clip's overlays, to test a classifier with."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from framegate.augment.overlays.masks import found_regions, mask_layout, pixel_boxes
from framegate.augment.overlays.masks import replace as paste
from framegate.finetune.data.batch import MODALITIES, ClipSample, Modality
from framegate.media import Layout
from framegate.recipes.finetuning.clips import StoreClips, clip_text, noise_input, spaced_frames

Change = Callable[[int, ClipSample], ClipSample]
"""From a clip's row and its sample to the sample that the classifier gets instead."""

CORRUPTIONS: dict[Modality, tuple[str, ...]] = {
    "frames": ("noise", "other", "black"),
    "audio": ("noise", "other", "silence"),
    "text": ("noise", "other", "empty"),
}
"""What may happen to each modality: noise (of text: its letters shuffled), another clip's, and nothing to be seen,
heard or read."""

_FIELD: dict[str, str] = {"frames": "frames", "audio": "audio", "text": "tokens"}


def only(modality: Modality) -> Change:
    """Return a change of clips that drops all modalities but one."""
    dropped: dict[str, Any] = {_FIELD[name]: None for name in MODALITIES if name != modality}
    return lambda row, sample: replace(sample, **dropped)


def corrupt(clips: StoreClips, rows: np.ndarray, modality: Modality, kind: str, *, seed: int = 0) -> Change:
    """Return a change of clips that corrupts one modality where a clip has it, and drops the others.

    ``other`` takes it from a clip of another programme among ``rows``, where there is one that has it.
    """
    donors = donor_rows(clips, rows, seed=seed) if kind == "other" else {}
    keep = only(modality)

    def change(row: int, sample: ClipSample) -> ClipSample:
        sample = keep(row, sample)
        content: Tensor | None = getattr(sample, _FIELD[modality])
        if content is None:
            return sample
        if kind == "other":
            others = (getattr(keep(donor, clips[donor]), _FIELD[modality]) for donor in donors[row])
            broken = next((other for other in others if other is not None), content)
        else:
            broken = _broken(clips, row, modality, kind, content, np.random.default_rng([seed, row]))
        changed: dict[str, Any] = {_FIELD[modality]: broken}
        return replace(sample, **changed)

    return change


def _broken(
    clips: StoreClips, row: int, modality: Modality, kind: str, content: Tensor, rng: np.random.Generator
) -> Tensor | None:
    prepare, video = clips.prepare, clips.store.video(row)
    if kind == "noise":
        text = clip_text(video.title, video.description)
        noise = prepare(noise_input(clips.sampling, rng, prepare=prepare, text=text))
        found: Tensor | None = getattr(noise, _FIELD[modality])
        return found if found is None or modality == "text" else found[: len(content)]
    if kind == "black":
        return torch.zeros(len(content), 3, prepare.image_size or 1, prepare.image_size or 1, dtype=torch.uint8)
    if kind == "silence":
        rate = prepare.rate or 1
        return prepare.windows(np.zeros(round(prepare.window_seconds * rate * len(content)), np.float32), rate)
    return None  # an empty text is an absent one


def donor_rows(clips: StoreClips, rows: np.ndarray, *, seed: int) -> dict[int, list[int]]:
    """Return for each of ``rows`` a few other rows to take content from, those of other programmes first."""
    programme = {int(row): clips.store.video(int(row)).programme for row in rows}
    donors: dict[int, list[int]] = {}
    everyone = list(programme)
    for row in everyone:
        others = random.Random(f"{seed}:{row}").sample(everyone, min(24, len(everyone)))
        others = [other for other in others if other != row]
        donors[row] = [other for other in others if programme[other] != programme[row]]
        donors[row] += [other for other in others if programme[other] == programme[row]]
    return donors


def swap_overlays(clips: StoreClips, rows: np.ndarray, *, seed: int = 0) -> tuple[Change, int]:
    """Return a change of clips that gives frames the overlays of another programme's clip, and drops all else.

    The regions that layout finding saw are what is covered in the one and copied from the other; a model that masks
    overlays is shown the clip with the donor's masked.

    Returns:
        The change, and how many clips of ``rows`` it alters: those that have overlays, or whose donor has.
    """
    store = clips.store
    regions = {int(row): found_regions(store.video(int(row)).layout) for row in rows}
    donors = {
        row: next((other for other in others if regions[other] and len(store.frame_range(other))), None)
        for row, others in donor_rows(clips, rows, seed=seed).items()
    }
    keep = only("frames")

    def change(row: int, sample: ClipSample) -> ClipSample:
        sample, donor = keep(row, sample), donors[row]
        numbers = spaced_frames(store.frame_range(row), clips.sampling.frames)
        if not len(numbers):
            return sample
        frames = [mask_layout(store[n], store.video(row).layout) for n in numbers]
        if donor is not None:
            theirs = spaced_frames(store.frame_range(donor), len(frames))
            for number, frame in enumerate(frames):
                picture = store[theirs[number % len(theirs)]]
                picture = cv2.resize(picture, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_AREA)
                for box in pixel_boxes(regions[donor], frame):
                    paste(frame, box, picture)
        layout = store.video(donor).layout if donor is not None else Layout()
        return replace(sample, frames=clips.prepare.pictures(frames, layout))

    return change, sum(bool(regions[row] or donors[row] is not None) for row in donors)
