"""A small classifier of three streams, and clips for it."""

import itertools

import numpy as np
import torch

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, ClipSample, Features, Raw, collate
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.heads.heads import HeadConfig
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.streams.streams import AudioConfig, FramesConfig, StreamsConfig, TextConfig
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

TAXONOMY = Taxonomy(
    (Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"), Node("b1", "b"), Node("b2", "b"), Node("x", "a1"))
)
TEXTS = ["the weather today", "погода сегодня", "今天的天气", "الطقس اليوم"]
FRAMES, AUDIO, TEXT = FramesConfig(backbone="test_resnet"), AudioConfig(), TextConfig(width=32, vocabulary=300)
SUBSETS = [subset for n in (1, 2, 3) for subset in itertools.combinations(range(3), n)]


def make_model(*, streams=(0, 1, 2), fusion="reliability", head="experts", rank=None):
    torch.manual_seed(0)
    parts = [part if m in streams else None for m, part in enumerate((FRAMES, AUDIO, TEXT))]
    config = ClassifierConfig(
        streams=StreamsConfig(frames=parts[0], audio=parts[1], text=parts[2]),
        fusion=FusionConfig(name=fusion, width=16),
        head=HeadConfig(name=head, rank=rank),
    )
    return GatedFusionClassifier.create(config, TAXONOMY, texts=TEXTS, image_size=32)


def make_batch(model, size=6, modalities=(0, 1, 2)):
    generator = torch.Generator().manual_seed(1)
    samples = []
    for i in range(size):
        frames = torch.randn(2 + i % 3, 96, generator=generator)  # test_resnet's features are 96 long
        audio = torch.randn(1 + i % 2, 20_480, generator=generator) * 0.1
        tokens = model.prepare.tokens(TEXTS[i % 4])
        content = {"frames": Features(frames), "audio": Raw(audio)} | ({} if tokens is None else {"text": Raw(tokens)})
        samples.append(
            ClipSample(
                content={name: held for name, held in content.items() if MODALITIES.index(name) in modalities},
                labels=(int(TAXONOMY.leaves[i % len(TAXONOMY.leaves)]),),
            )
        )
    return collate(samples)


def clip(modalities=(0, 1, 2)):
    rng = np.random.default_rng(0)
    return ClipInput(
        frames=rng.integers(0, 256, (3, 40, 60, 3), dtype=np.uint8) if 0 in modalities else None,
        audio=rng.normal(0, 0.1, 50_000).astype(np.float32) if 1 in modalities else None,
        rate=22_050,
        text="Погода today" if 2 in modalities else "",
    )
