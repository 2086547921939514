"""The fusion learns, from features drawn here, which modality to trust for which clip."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from framegate.finetune.data.batch import MODALITIES, ClipBatch, Content, Features, Raw
from framegate.finetune.data.corruption import Corruptions, corrupt
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.fusion.network import FusionNetwork
from framegate.finetune.heads.heads import HeadConfig
from framegate.finetune.losses.criterion import training_loss
from framegate.finetune.losses.path_losses import LossConfig
from framegate.finetune.output import ClassifierOutput
from framegate.finetune.streams.nextvlad import NeXtVLAD
from framegate.finetune.streams.norm import MaskedBatchNorm
from framegate.finetune.streams.quality import quality
from framegate.finetune.streams.streams import StreamState
from framegate.finetune.taxonomy.hierarchy import Hierarchy, best_leaf
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

ROOTS, LEAVES, WORDS, DIM, WIDTH = 2, 6, 18, 16, 32
TAXONOMY = Taxonomy((*(Node(f"r{i}") for i in range(ROOTS)), *(Node(f"x{i}", f"r{i % ROOTS}") for i in range(LEAVES))))


class Set(torch.nn.Module):
    """A stream of a set of features."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = MaskedBatchNorm(DIM, affine=False)
        self.pool = NeXtVLAD(DIM, WIDTH, clusters=4, groups=2, dropout=0.2)

    def forward(self, content: Content, mask: Tensor) -> StreamState:
        z = self.norm(content.values, mask)
        return StreamState(hidden=self.pool(z, mask), quality=quality(z, mask))


class Words(Set):
    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(WORDS, DIM)

    def forward(self, content: Content, mask: Tensor) -> StreamState:
        return super().forward(Features(self.words(content.values)), mask)


def make_network() -> FusionNetwork:
    streams = {"frames": Set(), "audio": Set(), "text": Words()}
    return FusionNetwork(streams, Hierarchy(TAXONOMY), fusion=FusionConfig(width=WIDTH), head=HeadConfig())


def make_batch(size: int, *, generator: torch.Generator, centres: Tensor) -> ClipBatch:
    """Clips of which each modality shows the leaf well enough."""
    leaf = torch.randint(LEAVES, (size,), generator=generator)
    frames, audio = (
        centre[leaf].unsqueeze(1) + 0.7 * torch.randn(size, 4, DIM, generator=generator) for centre in centres
    )
    leaf_words = leaf.unsqueeze(1) + LEAVES * torch.randint(WORDS // LEAVES, (size, 4), generator=generator)
    any_words = torch.randint(WORDS, (size, 4), generator=generator)
    tokens = torch.where(torch.rand(size, 4, generator=generator) < 0.7, leaf_words, any_words)
    mask = torch.ones(size, 4, dtype=torch.bool)
    return ClipBatch(
        labels=(ROOTS + leaf).unsqueeze(1),
        content={"frames": Features(frames), "audio": Features(audio), "text": Raw(tokens)},
        masks=dict.fromkeys(MODALITIES, mask),
    )


@pytest.fixture(scope="module")
def trained():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(2, LEAVES, DIM, generator=generator)
    model = make_network().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        batch = make_batch(64, generator=generator, centres=centres)
        corrupted, intact = corrupt(batch, Corruptions(dropout=0.15, swap=0.1, noise=0.1), generator)
        loss = training_loss(model(corrupted), batch.labels, intact, model.hierarchy, LossConfig())
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    return model.eval(), make_batch(400, generator=generator, centres=centres)


def accuracy(output: ClassifierOutput, batch: ClipBatch, hierarchy: Hierarchy) -> float:
    return float((best_leaf(output.log_probs, hierarchy) == batch.labels[:, 0]).float().mean())


def test_noise_in_a_modality_costs_it_its_reliability_and_the_clip_little(trained):
    model, batch = trained
    frames = batch.content["frames"].values
    noise = Features(frames.std() * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        clean, noisy = model(batch), model(batch.with_content("frames", noise))
        without = model(batch.keep(torch.tensor([[False, True, True]]).expand(len(batch), -1)))
    assert noisy.reliability[:, 0].mean() < clean.reliability[:, 0].mean() / 2
    assert accuracy(noisy, batch, model.hierarchy) > accuracy(without, batch, model.hierarchy) - 0.03


def test_a_modality_of_another_clip_loses_reliability(trained):
    model, batch = trained
    other = torch.arange(len(batch)).roll(1)
    differs = batch.labels[:, 0] != batch.labels[other, 0]
    with torch.no_grad():
        others = Features(batch.content["frames"].values[other])
        clean, swapped = model(batch), model(batch.with_content("frames", others))
    assert swapped.reliability[differs, 0].mean() < 0.8 * clean.reliability[differs, 0].mean()


@pytest.mark.parametrize("training", [True, False])
def test_longer_padding_changes_nothing_of_the_whole_network(training):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = make_network().double()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    batch = make_batch(12, generator=generator, centres=torch.randn(2, LEAVES, DIM, generator=generator))
    real = torch.arange(4) < torch.randint(0, 5, (12, 1), generator=generator)
    for name in ("frames", "audio"):
        batch = batch.with_content(name, Features(batch.content[name].values.double()))
    batch = replace(batch, masks={**batch.masks, "audio": real})

    def padded(x: Tensor, filling: float) -> Tensor:
        return torch.cat([x, torch.full((12, 3, *x.shape[2:]), filling, dtype=x.dtype)], dim=1)

    filling = {"frames": 1e6, "audio": -1e6, "text": 3}
    longer = replace(
        batch,
        content={
            name: replace(held, values=padded(held.values, filling[name])) for name, held in batch.content.items()
        },
        masks={name: padded(mask, False) for name, mask in batch.masks.items()},
    )
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.train(training)
    short = network(batch)
    network.load_state_dict(before)
    long = network(longer)
    for name in ("log_probs", "reliability", "trust", "verdict", "embedding"):
        torch.testing.assert_close(getattr(long, name), getattr(short, name), rtol=0, atol=1e-12)
