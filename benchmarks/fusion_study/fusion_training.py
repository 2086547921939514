"""One row of `fusion.py`: a fusion trained on frozen features, and what it does on the test clips."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from fusion_study.fusion_balance import GradientBlending, GradientModulation
from fusion_study.fusion_data import Clips, chosen, rows_of, swapped
from torch import Tensor, nn

from framegate.finetune.data.batch import MODALITIES, ClipBatch
from framegate.finetune.data.corruption import NoiseBank, SwapRates, corrupt
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.fusion.network import FusionNetwork
from framegate.finetune.heads.heads import HeadConfig
from framegate.finetune.losses.criterion import training_loss
from framegate.finetune.losses.path_losses import LossConfig
from framegate.finetune.output import ClassifierOutput
from framegate.finetune.streams.streams import Aggregation, SetStream, TextConfig, TextStream
from framegate.finetune.taxonomy.hierarchy import Hierarchy, best_leaf
from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.finetune.trainable import parameter_groups
from framegate.ssl.schedule import CosineSchedule

BATCH, LR, WIDTH = 64, 2e-3, 192


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is trained: a fusion of some modalities, with some losses."""

    fusion: FusionConfig = field(default_factory=FusionConfig)
    loss: LossConfig = field(default_factory=lambda: LossConfig(label_smoothing=0.05))
    modalities: tuple[str, ...] = MODALITIES
    agreement: bool = True
    balance: Literal["none", "ogm-ge", "g-blending"] = "none"


class Features(nn.Module):
    """An encoder's place, where its features come in."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x


def make_network(kind: Kind, dims: tuple[int, int, int], hierarchy: Hierarchy) -> FusionNetwork:
    frames, audio = (SetStream(Features(dim), WIDTH, aggregation=Aggregation(), train="frozen") for dim in dims[:2])
    streams = {"frames": frames, "audio": audio, "text": TextStream(Features(dims[2]), TextConfig(), WIDTH)}
    model = FusionNetwork(
        {name: streams[name] for name in kind.modalities},
        hierarchy,
        fusion=replace(kind.fusion, width=WIDTH),
        head=HeadConfig(experts=4),
    )
    if not kind.agreement:  # nothing of what the streams say is compared: trust rests on each one's own look
        model.fusion.gain = lambda states: torch.zeros_like(states.log_probs[..., hierarchy.leaves])
    return model


def train(kind: Kind, clips: ClipBatch, source: Clips, taxonomy: Taxonomy, *, seed: int, epochs: int) -> FusionNetwork:
    """A network of that kind; ``clips``: clean or hard, of the training clips in ``source``, which also has noise."""
    torch.manual_seed(seed)
    model = make_network(kind, source.dims, Hierarchy(taxonomy))
    clips = clips.keep(torch.tensor([[name in kind.modalities for name in MODALITIES]]).expand(len(clips), -1))
    return fit(model, clips, kind, seed=seed, epochs=epochs, noise=source.bank)


def fit(
    model: FusionNetwork, clips: ClipBatch, kind: Kind, *, seed: int, epochs: int, noise: NoiseBank | None = None
) -> FusionNetwork:
    """Train a model on clips as the recipe does, with the losses that ``kind`` says."""
    generator = torch.Generator().manual_seed(seed)
    model.count_labels(clips.labels)
    modulation, blending = GradientModulation(), GradientBlending(len(kind.modalities))
    held_out = torch.arange(len(clips)) % 8 == 0  # of the training clips, for Gradient-Blending to watch
    watched, rest = rows_of(clips, held_out), rows_of(clips, ~held_out)
    if kind.balance == "g-blending":
        clips = rest
    groups = parameter_groups(model, lr=LR, weight_decay=0.05, stream_lr={})
    optimizer = torch.optim.AdamW(groups, lr=LR, fused=True)
    steps = epochs * (len(clips) // BATCH)
    schedule = CosineSchedule(base=LR, total_steps=steps, warmup_steps=steps // 20)
    swaps = SwapRates()
    rows = torch.empty(0, dtype=torch.long)
    model.train()
    for step in range(steps):
        if kind.balance == "g-blending" and step % (steps // 8) == 0:
            blending.check(model, rest, watched)
        if len(rows) < BATCH:
            rows = torch.randperm(len(clips), generator=generator)
        batch, rows = rows_of(clips, rows[:BATCH]), rows[BATCH:]
        corrupted, intact = corrupt(batch, swaps.balance(model.corruptions), generator, noise=noise)
        output = model(corrupted)
        loss = training_loss(output, batch.labels, intact, model.hierarchy, kind.loss, counts=model.counts)
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        optimizer.zero_grad(set_to_none=True)
        swaps.learn(loss.corrupted)
        total = loss.total
        if kind.balance == "g-blending":
            total = blending.weights[0] * loss.fused + (blending.weights[1:] * loss.streams).sum() + loss.trust
        total.backward()
        if kind.balance == "ogm-ge":
            modulation.after_backward(model, output, batch.labels, intact)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    return model.eval()


@torch.inference_mode()
def measure(model: FusionNetwork, batch: ClipBatch, clips: Clips) -> dict[str, Any]:
    """Accuracy at the leaf as the clips are, and with each modality alone, removed, noise, and another clip's.

    ``batch``: the test clips, clean or hard; ``clips`` are the same without a change, for their noise.
    """
    whole = model(batch)
    found: dict[str, Any] = {"right": right(model, whole, batch)}
    for modality, name in enumerate(MODALITIES):
        if name not in model.streams:
            continue
        here = whole.present[:, modality]
        rows = torch.zeros_like(whole.present)
        rows[:, modality] = here
        broken = {
            "noise": model(chosen(batch, clips.noise, rows)),
            "swapped": model(swapped(batch, rows, torch.Generator().manual_seed(modality))),
            "removed": model(batch.keep(~rows)),
            "alone": model(batch.keep(rows)),
        }
        found[name] = {how: right(model, output, batch) for how, output in broken.items()}
        found[name]["trust"] = {
            how: float(output.reliability[here, modality].mean())
            for how, output in (("whole", whole), ("noise", broken["noise"]), ("swapped", broken["swapped"]))
        }
        found[name]["here"] = here.int().tolist()
        found[name]["score"] = [round(score, 3) for score in whole.score[:, modality].tolist()]
    return found


def right(model: FusionNetwork, output: ClassifierOutput, batch: ClipBatch) -> list[int]:
    return (best_leaf(output.log_probs, model.hierarchy) == batch.labels[:, 0]).int().tolist()
