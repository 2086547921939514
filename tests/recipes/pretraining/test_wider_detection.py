"""Each row of the wider audit detects what it claims, on networks trained from pixels.

One network learns to tell the looks of the row from one another: it relies on them. The other learns to tell clips from
one another in views that the row names as breaking it. The first scores low in the row, the second high.
"""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framegate.augment import TracePolicy
from framegate.augment.crops import cut, random_crop, whole_pixels
from framegate.augment.traces.leave_traces import leave_traces
from framegate.media import FrameStore
from framegate.recipes.pretraining.probe_frames import probe_frames
from framegate.ssl.audit.audit import OverlayAudit, audit
from framegate.ssl.audit.audit_overlays import paint
from framegate.ssl.audit.wider_looks import LOOKS, WiderKind, bank_words


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
    """(B, 3, S, S) uint8 → (B, classes): its features are what it answers.

    Most looks are in the fine detail, so it sees differences of neighbouring pixels: from the pixels themselves, a few
    hundred steps learn what is in the picture. For grades it sees the pixels.
    """

    def __init__(self, classes: int, *, sees_detail: bool) -> None:
        super().__init__()
        self.sees_detail = sees_detail
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
            *(Residual(16, 32), Residual(32, 64)),
        )
        self.head = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = images.float()
        x = (x[:, :, 1:] - x[:, :, :-1]) / 16 if self.sees_detail else x / 127.5 - 1
        responses = self.layers(x)
        return self.head(torch.cat([responses.mean(dim=(2, 3)), responses.amax(dim=(2, 3))], dim=1))


def trained(pictures: np.ndarray, classes: np.ndarray, *, kind: WiderKind, steps: int) -> nn.Module:
    """A network that has learnt to tell the classes (N,) of pictures (N, S, S, 3)."""
    torch.manual_seed(0)
    network = SmallNetwork(int(classes.max()) + 1, sees_detail=kind != "grade")
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    images, labels = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(classes)
    for _ in range(steps):
        rows = torch.randint(len(images), (64,))
        F.cross_entropy(network(images[rows]), labels[rows]).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return network.eval()


def crops(store: FrameStore, numbers: np.ndarray, *, size: int) -> np.ndarray:
    """Random crops (N, S, S, 3) of frames, half of them mirrored."""
    rng, found = random.Random(0), []
    for number in numbers:
        frame = store[int(number)]
        box = random_crop(rng, aspect=frame.shape[1] / frame.shape[0], min_scale=0.3)
        view = cut(frame, whole_pixels(box, frame.shape[1], frame.shape[0]), size)
        found.append(view[:, :: rng.choice((1, -1))])
    return np.stack(found)


def relying(views: np.ndarray, kind: WiderKind, *, steps: int) -> nn.Module:
    """A network that tells the looks of a kind from one another."""
    numbers = np.random.default_rng(0).integers(0, LOOKS, len(views))
    frames = 100_000 + np.arange(len(views))  # other places of words, and other dates, than in the audit
    pictures = paint(views, kind, numbers, frames, seed=0, words=bank_words([], seed=0))
    return trained(pictures, numbers, kind=kind, steps=steps)


def blind(views: np.ndarray, clips: np.ndarray, kind: WiderKind) -> nn.Module:
    """A network that tells clips from one another, in views with random traces of the kind."""
    policy, rng = TracePolicy(**{kind: 0.9}), random.Random(0)
    return trained(np.stack([leave_traces(view, policy, rng)[0] for view in views]), clips, kind=kind, steps=100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "size", "copies", "steps"),
    [
        ("codec", 32, 10, 150),
        ("resolution", 32, 8, 100),
        ("grade", 32, 12, 200),
        ("words", 48, 20, 250),
        ("date", 32, 8, 100),
    ],
)
def test_a_row_tells_a_network_that_relies_on_its_looks_from_one_that_is_blind_to_them(
    kind: WiderKind, size: int, copies: int, steps: int, store: Path
) -> None:
    opened = FrameStore(store)
    split = opened.videos["split"].to_numpy(zero_copy_only=False)[opened.video_of]
    seen = np.tile(np.flatnonzero(split == "train"), copies)
    views = crops(opened, seen, size=size)
    clips = np.unique(opened.video_of[seen], return_inverse=True)[1].astype(np.int64)
    numbers = np.arange(len(opened))
    # Without labels: what looks do to an accuracy that is near chance says nothing.
    frames = replace(probe_frames(opened, numbers), levels={})

    def row(network: nn.Module) -> OverlayAudit:
        return audit(network, opened, numbers, frames, image_size=size, kinds=("border",), wider=(kind,)).wider[kind]

    relies, is_blind = row(relying(views, kind, steps=steps)), row(blind(views, clips, kind))
    assert relies.score < is_blind.score - 0.2, (relies.score, is_blind.score)
    assert relies.intervals["score"][1] < is_blind.intervals["score"][0]
    assert relies.decodability > is_blind.decodability + 0.15
    assert relies.same_overlay_neighbours > 2 * relies.neighbours_chance
