"""Clips with a corrupted modality, or with another clip's overlays, to test a classifier with."""

import random
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from framegate.augment.overlays.masks import found_regions, mask_layout, pixel_boxes
from framegate.augment.overlays.masks import replace as paste
from framegate.finetune.data.batch import ClipSample, Content, Modality, Raw
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


def only(modality: Modality) -> Change:
    """Return a change of clips that drops all modalities but one."""

    def change(row: int, sample: ClipSample) -> ClipSample:
        return _holding(sample, modality, sample.content.get(modality))

    return change


def _holding(sample: ClipSample, modality: Modality, content: Content | None) -> ClipSample:
    return replace(sample, content={} if content is None else {modality: content})


def corrupt(clips: StoreClips, rows: np.ndarray, modality: Modality, kind: str, *, seed: int = 0) -> Change:
    """Return a change of clips that corrupts one modality where a clip has it, and drops the others.

    ``other`` takes it from a clip of another programme among ``rows``, where there is one that has it.
    """
    donors = donor_rows(clips, rows, seed=seed) if kind == "other" else {}

    def change(row: int, sample: ClipSample) -> ClipSample:
        content = sample.content.get(modality)
        broken: Content | None = None
        if content is not None and kind == "other":
            others = (clips.content(modality, donor) for donor in donors[row])
            broken = next((other for other in others if other is not None), content)
        elif content is not None:
            rng = np.random.default_rng([seed, row])
            values = _broken(clips, row, modality, kind, len(content.values), rng)
            broken = None if values is None else Raw(values)
        return _holding(sample, modality, broken)

    return change


def _broken(
    clips: StoreClips, row: int, modality: Modality, kind: str, length: int, rng: np.random.Generator
) -> Tensor | None:
    prepare, video = clips.prepare, clips.store.video(row)
    if kind == "noise":
        text = clip_text(video.title, video.description)
        noise = prepare(noise_input(clips.sampling, rng, prepare=prepare, text=text))
        found = noise.content.get(modality)
        return None if found is None else found.values if modality == "text" else found.values[:length]
    if kind == "black":
        return torch.zeros(length, 3, prepare.image_size or 1, prepare.image_size or 1, dtype=torch.uint8)
    if kind == "silence":
        rate = prepare.rate or 1
        return prepare.windows(np.zeros(round(prepare.window_seconds * rate * length), np.float32), rate)
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

    def change(row: int, sample: ClipSample) -> ClipSample:
        donor = donors[row]
        numbers = spaced_frames(store.frame_range(row), clips.sampling.frames)
        if not len(numbers):
            return _holding(sample, "frames", sample.content.get("frames"))
        frames = [mask_layout(store[n], store.video(row).layout) for n in numbers]
        if donor is not None:
            theirs = spaced_frames(store.frame_range(donor), len(frames))
            for number, frame in enumerate(frames):
                picture = store[theirs[number % len(theirs)]]
                picture = cv2.resize(picture, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_AREA)
                for box in pixel_boxes(regions[donor], frame):
                    paste(frame, box, picture)
        layout = store.video(donor).layout if donor is not None else Layout()
        pictures = clips.prepare.pictures(frames, layout)
        return _holding(sample, "frames", None if pictures is None else Raw(pictures))

    return change, sum(bool(regions[row] or donors[row] is not None) for row in donors)
