"""The clips of a store as the classifier takes them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from framegate.finetune.alterations import NoiseBank
from framegate.finetune.batch import ClipSample
from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.folder import FolderError, need
from framegate.finetune.prepare import ClipInput, Preparation
from framegate.finetune.taxonomy import Taxonomy
from framegate.media import FrameStore, clip_sound, decode_jpeg
from framegate.recipes.progress import WorkProgress
from framegate.recipes.run_folder import write_text
from framegate.ssl.backbone import Backbone
from framegate.ssl.feature_cache import cached_features

_SAMPLING = "preprocessing.json"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How much of a clip the classifier takes: at most ``frames`` of its frames and ``audio_seconds`` of its sound."""

    frames: int = 16
    audio_seconds: float = 10.0

    def save(self, folder: Path) -> None:
        """Write it into a classifier folder, for prediction to do the same."""
        write_text(folder / _SAMPLING, json.dumps({"frames": self.frames, "audio_seconds": self.audio_seconds}))

    @classmethod
    def load(cls, folder: Path) -> "Sampling":
        """Read it from a classifier folder.

        Raises:
            FolderError: it is missing or damaged.
        """
        path = need(folder / _SAMPLING)
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise FolderError(f"{path}: not what fine-tuning writes ({error})") from error


class StoreClips(Dataset):
    """Clips of a store, by their row in ``videos``.

    Args:
        store: where frames and sound are.
        prepare: how the model wants its inputs.
        sampling: how much of a clip it takes.
        labels: the nodes of each row, () where unknown.
        features: features of all of the store's frames, (frames, dim), in place of pictures.
    """

    def __init__(
        self,
        store: FrameStore,
        prepare: Preparation,
        sampling: Sampling,
        *,
        labels: list[tuple[int, ...]],
        features: Tensor | None = None,
    ):
        self.store = store
        self.prepare = prepare
        self.sampling = sampling
        self.labels = labels
        self.features = features

    def __getitem__(self, item: int | tuple[int, int]) -> ClipSample:
        """The clip at a row; of (epoch, row), the epoch changes nothing."""
        row = item[1] if isinstance(item, tuple) else item
        frames = self._frames(row)
        audio, rate = clip_sound(self.store, row) if self.prepare.rate is not None else (np.empty(0, np.float32), 1)
        video = self.store.video(row)
        return ClipSample(
            frames=frames,
            audio=self.prepare.windows(audio[: round(self.sampling.audio_seconds * rate)], rate),
            tokens=self.prepare.tokens(clip_text(video.title, video.description)),
            labels=self.labels[row],
        )

    def _frames(self, row: int) -> Tensor | None:
        if self.prepare.image_size is None:
            return None
        chosen = spread(self.store.frame_range(row), self.sampling.frames)
        if not len(chosen):
            return None
        if self.features is not None:
            return self.features[chosen]
        pictures = [decode_jpeg(self.store.jpeg(int(frame))) for frame in chosen]
        return self.prepare.pictures(pictures, self.store.video(row).layout)


def present_modalities(store: FrameStore) -> dict[str, np.ndarray]:
    """Whether each video of the store has frames, audio and text, each (videos,) bool."""
    videos = store.videos
    texts = zip(videos["title"].to_pylist(), videos["description"].to_pylist(), strict=True)
    return {
        "frames": videos["frames"].to_numpy() > 0,
        "audio": videos["has_audio"].to_numpy(),
        "text": np.array([bool(clip_text(title, description).strip()) for title, description in texts], dtype=bool),
    }


def clip_text(title: str, description: str) -> str:
    """What the text stream reads."""
    return "\n".join(filter(None, (title, description)))


def spread(frames: range, most: int) -> np.ndarray:
    """At most ``most`` of ``frames``, evenly spread over them, (n,) int64."""
    if len(frames) <= most:
        return np.arange(frames.start, frames.stop)
    return frames.start + np.linspace(0, len(frames) - 1, most).round().astype(np.int64)


def label_nodes(store: FrameStore, taxonomy: Taxonomy) -> list[tuple[int, ...]]:
    """The nodes that each video of the store is labelled with."""
    return [
        tuple(taxonomy.resolve(label) for label in labels.split("|")) if labels else ()
        for labels in store.videos["label"].to_pylist()
    ]


def frozen_features(model: GatedFusionClassifier, store: FrameStore, *, visible: bool = True) -> Tensor | None:
    """Features of all frames of the store, if the model's frame backbone is frozen; None if it is not or has none."""
    if "frames" not in model.streams or model.config.streams.frames.train != "frozen" or not len(store):  # type: ignore[union-attr]
        return None
    backbone = model.streams["frames"].encoder
    assert isinstance(backbone, Backbone)
    with WorkProgress("features", total=len(store), visible=visible) as progress:
        return cached_features(
            backbone,
            store,
            np.arange(len(store)),
            mask_overlays=model.prepare.mask_overlays,
            on_progress=progress.update,
        )


def noise_input(sampling: Sampling, rng: np.random.Generator, *, prepare: Preparation, text: str) -> ClipInput:
    """A clip whose every modality is broken: pictures of noise, white noise, and ``text`` with its letters shuffled."""
    letters = list(text)
    rng.shuffle(letters)
    size, rate = prepare.image_size or 1, prepare.rate or 1
    return ClipInput(
        frames=rng.integers(0, 256, (sampling.frames, size, size, 3), dtype=np.uint8),
        sound=rng.normal(0, 0.2, round(sampling.audio_seconds * rate)).clip(-1, 1).astype(np.float32),
        rate=rate,
        text="".join(letters),
    )


@torch.no_grad()
def noise_features(model: GatedFusionClassifier, sampling: Sampling, *, seed: int, clips: int = 32) -> NoiseBank:
    """What a frozen frame backbone makes of noise: pictures of random pixels of any contrast, and flat ones."""
    encoder = model.streams["frames"].encoder
    assert isinstance(encoder, Backbone)
    size, rng = encoder.image_size, np.random.default_rng(seed)
    encoder.eval()
    rows = []
    for number in range(clips):
        contrast = rng.uniform(0.3, 1.0) if number % 4 else 0.0
        pixels = rng.uniform(0, 255) * (1 - contrast) + contrast * rng.integers(
            0, 256, (sampling.frames, 3, size, size)
        )
        pictures = torch.from_numpy(pixels.astype(np.uint8))
        rows.append(encoder(pictures.to(model.counts.device)))
    return NoiseBank(frames=torch.cat(rows))


def torch_rows(nodes: list[tuple[int, ...]]) -> Tensor:
    """Labels (n, K) int64, padded with -1."""
    rows = [torch.tensor(row, dtype=torch.long) for row in nodes]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
