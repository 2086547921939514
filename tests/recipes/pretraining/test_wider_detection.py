"""Each row of the wider audit detects what it claims, on networks trained from pixels.

One network learns to tell the looks of the row from one another: it relies on them. The other learns to tell clips from
one another in views that the row names as breaking it. The first scores low in the row, the second high.
"""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framegate.augment import TracePolicy, plain_view
from framegate.augment.traces.leave_traces import leave_traces
from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.recipes.pretraining.probe_frames import probe_frames
from framegate.ssl.audit.audit import OverlayAudit, audit
from framegate.ssl.audit.audit_frames import category_names, choose_frames
from framegate.ssl.audit.audit_overlays import paint
from framegate.ssl.audit.wider_looks import LOOKS, WIDER, WiderKind, bank_words

SIZE = 48  # pixels a side


class Residual(nn.Module):
    """Two convolutions, the first of which halves the picture, beside one that only does that."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.beside = nn.Conv2d(before, after, 1, stride=2)
        self.path = nn.Sequential(
            *(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()),
            *(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.beside(x) + self.path(x))


class SmallNetwork(nn.Module):
    """(B, 3, S, S) uint8 → (B, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
            *(Residual(16, 32), Residual(32, 64)),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.float() / 127.5 - 1).mean(dim=(2, 3))


def trained(pictures: np.ndarray, classes: np.ndarray, *, steps: int) -> nn.Module:
    """A network that has learnt to tell the classes (N,) of pictures (N, S, S, 3)."""
    torch.manual_seed(0)
    network, head = SmallNetwork(), nn.Linear(64, int(classes.max()) + 1)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    images, labels = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(classes)
    for _ in range(steps):
        rows = torch.randint(len(images), (64,))
        F.cross_entropy(head(network(images[rows])), labels[rows]).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return network.eval()


def relying(views: np.ndarray, kind: WiderKind, words: tuple[str, ...], *, copies: int, steps: int) -> nn.Module:
    """A network that tells the looks of a kind from one another."""
    numbers = np.random.default_rng(0).integers(0, LOOKS, copies * len(views))
    frames = 100_000 + np.arange(len(numbers))  # other words and dates than the audit's own pictures have
    pictures = paint(np.tile(views, (copies, 1, 1, 1)), kind, numbers, frames, seed=0, words=words)
    return trained(pictures, numbers, steps=steps)


def blind(views: np.ndarray, clips: np.ndarray, kind: WiderKind, *, copies: int, steps: int) -> nn.Module:
    """A network that tells clips from one another, in views with random traces of the kind."""
    policy, rng = TracePolicy(**{kind: 0.9}), random.Random(0)
    pictures = np.stack([leave_traces(view, policy, rng)[0] for _ in range(copies) for view in views])
    return trained(pictures, np.tile(clips, copies), steps=steps)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WIDER)
def test_a_row_tells_a_network_that_relies_on_its_looks_from_one_that_is_blind_to_them(kind, store: Path) -> None:
    opened = FrameStore(store)
    split = opened.videos["split"].to_numpy(zero_copy_only=False)[opened.video_of]
    seen = np.flatnonzero(split == "train")
    views = np.stack([plain_view(opened.jpeg(int(frame)), SIZE) for frame in seen])
    clips = np.unique(opened.video_of[seen], return_inverse=True)[1].astype(np.int64)
    numbers = evenly_spaced(len(opened), 100_000)
    frames = probe_frames(opened, numbers)

    def row(network: nn.Module) -> OverlayAudit:
        options = {"kinds": ("border",), "wider": (kind,), "max_frames": 240}
        return audit(network, opened, numbers, frames, image_size=SIZE, **options).wider[kind]

    words = bank_words(category_names(opened, choose_frames(numbers, frames, max_frames=240)), seed=0)
    relies = row(relying(views, kind, words, copies=3, steps=150))
    is_blind = row(blind(views, clips, kind, copies=3, steps=150))
    print(kind, relies.score, is_blind.score)
    assert relies.score < 0.5 < 0.7 < is_blind.score
    assert relies.intervals["score"][1] < is_blind.intervals["score"][0]
