"""The clips of a store, prepared for a classifier."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from framegate.finetune.data.batch import MODALITIES, ClipSample, Content, Features, Modality, Raw
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.streams.prepare import ClipInput, Preparation
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media import FrameStore, clip_audio, split_labels
from framegate.media.evenly_spaced import evenly_spaced


@dataclass(frozen=True)
class ClipFeatures:
    """An encoder's features of one modality of some clips, one element or token after another.

    Of the clip at ``rows[i]`` of the store, ``rows`` (n,) rising, these are ``values[edges[i]:edges[i + 1]]``, with
    ``edges`` (n + 1,) and ``values`` (K, dim).
    """

    rows: np.ndarray
    edges: np.ndarray
    values: Tensor

    def of(self, row: int) -> Tensor | None:
        """Return the features (elements, dim) of the clip at ``row``; None if it lacks the modality.

        Raises:
            KeyError: nothing was made of this clip.
        """
        place = int(np.searchsorted(self.rows, row))
        if place == len(self.rows) or self.rows[place] != row:
            raise KeyError(f"no features of the clip at row {row}")
        first, last = self.edges[place], self.edges[place + 1]
        return self.values[first:last] if last > first else None


class StoreClips(Dataset[ClipSample]):
    """Clips of a store, by their row in ``videos``.

    Args:
        store: where frames and audio are.
        prepare: how the model wants its inputs.
        sampling: how much of a clip it takes.
        labels: the nodes of each row, () where unknown.
        features: by modality, in place of pictures, audio and tokens, for all clips that will be loaded.
    """

    def __init__(
        self,
        store: FrameStore,
        prepare: Preparation,
        sampling: Sampling,
        *,
        labels: list[tuple[int, ...]],
        features: Mapping[Modality, ClipFeatures] | None = None,
    ):
        self.store = store
        self.prepare = prepare
        self.sampling = sampling
        self.labels = labels
        self.features = features or {}

    def __getitem__(self, item: int | tuple[int, int]) -> ClipSample:
        """Load the clip at ``row``. Accept ``(epoch, row)`` for the sampler's sake, and ignore ``epoch``."""
        row = item[1] if isinstance(item, tuple) else item
        held = {modality: self.content(modality, row) for modality in MODALITIES}
        return ClipSample(
            content={modality: content for modality, content in held.items() if content is not None},
            labels=self.labels[row],
        )

    def content(self, modality: Modality, row: int) -> Content | None:
        """Return the clip's features of a modality where there are any, else what the encoder reads; None if absent."""
        if modality in self.features:
            features = self.features[modality].of(row)
            return None if features is None else Features(features)
        return self.raw(modality, row)

    def raw(self, modality: Modality, row: int) -> Raw | None:
        """Return what the encoder of a modality reads of the clip; None if the clip lacks it."""
        match modality:
            case "frames":
                values = self.pictures(row)
            case "audio":
                values = self.audio(row)
            case "text":
                values = self.tokens(row)
        return None if values is None else Raw(values)

    def pictures(self, row: int) -> Tensor | None:
        """Return the pictures (T, 3, S, S) uint8 of the clip at ``row``; None if the model takes none."""
        if self.prepare.image_size is None:
            return None
        chosen = spaced_frames(self.store.frame_range(row), self.sampling.frames)
        pictures = (self.store[frame] for frame in chosen)
        return self.prepare.pictures(pictures, self.store.video(row).layout)

    def audio(self, row: int) -> Tensor | None:
        """Return the windows (W, …) float32 of the audio of the clip at ``row``; None if the model takes no audio."""
        if self.prepare.rate is None:
            return None
        samples, rate = clip_audio(self.store, row)
        return self.prepare.windows(samples[: round(self.sampling.audio_seconds * rate)], rate)

    def tokens(self, row: int) -> Tensor | None:
        """Return the tokens (L,) int64 of the text of the clip at ``row``; None if it has none."""
        video = self.store.video(row)
        return self.prepare.tokens(clip_text(video.title, video.description))


def present_modalities(store: FrameStore) -> dict[str, np.ndarray]:
    """Return for each modality whether each video of the store has it, (videos,) bool."""
    videos = store.videos
    texts = zip(videos["title"].to_pylist(), videos["description"].to_pylist(), strict=True)
    return {
        "frames": videos["frames"].to_numpy() > 0,
        "audio": videos["has_audio"].to_numpy(),
        "text": np.array([bool(clip_text(title, description).strip()) for title, description in texts], dtype=bool),
    }


def clip_text(title: str, description: str) -> str:
    """Return a clip's text as the text stream reads it: title and description, one a line."""
    return "\n".join(filter(None, (title, description)))


def spaced_frames(frames: range, max_frames: int) -> np.ndarray:
    """Return at most ``max_frames`` of ``frames``, at even distances, (n,) int64."""
    return frames.start + evenly_spaced(len(frames), max_frames, rounding="nearest")


def label_nodes(store: FrameStore, taxonomy: Taxonomy) -> list[tuple[int, ...]]:
    """Return the taxonomy nodes of each video's labels."""
    return [
        tuple(taxonomy.resolve(label) for label in split_labels(labels)) for labels in store.videos["label"].to_pylist()
    ]


def noise_input(sampling: Sampling, rng: np.random.Generator, *, prepare: Preparation, text: str) -> ClipInput:
    """Return a clip with all modalities broken: noise pictures, white noise, and ``text`` with its letters shuffled."""
    letters = list(text)
    rng.shuffle(letters)
    size, rate = prepare.image_size or 1, prepare.rate or 1
    return ClipInput(
        frames=rng.integers(0, 256, (sampling.frames, size, size, 3), dtype=np.uint8),
        audio=rng.normal(0, 0.2, round(sampling.audio_seconds * rate)).clip(-1, 1).astype(np.float32),
        rate=rate,
        text="".join(letters),
    )
