# %% [markdown]
# # Fusion on features that you already have
#
# You have features of frames, sound and text from networks of your own, and want a classifier over a tree that knows
# which modality to trust. This needs no video: the features here are made up. Put yours in their place.

# %%
import csv
from pathlib import Path

import torch
from torch import nn

from framegate.finetune import ClipSample, Features, LossConfig, Taxonomy, collate, corrupt, training_loss
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.fusion.network import FusionNetwork
from framegate.finetune.heads.heads import HeadConfig
from framegate.finetune.streams.streams import Aggregation, SetStream
from framegate.finetune.taxonomy.hierarchy import Hierarchy

# %% [markdown]
# ## A tree of two levels

# %%
with Path("small_taxonomy.csv").open("w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "parent", "name"])
    writer.writerows([["sport", "", "Sport"], ["football", "sport", "Football"], ["rugby", "sport", "Rugby"]])
    writer.writerows([["news", "", "News"], ["weather", "news", "Weather"], ["traffic", "news", "Traffic"]])
taxonomy = Taxonomy.read("small_taxonomy.csv")
hierarchy = Hierarchy(taxonomy)

# %% [markdown]
# ## Features: for each clip some frames, some windows of sound, some words
#
# A `ClipSample` holds them by modality, each (elements, dim); what is left out is absent. In these, no modality
# tells all four leaves apart: frames tell sport from news, sound tells the leaves of sport, text those of news.

# %%
DIMS = {"frames": 32, "audio": 16, "text": 24}
generator = torch.Generator().manual_seed(0)
PROTOTYPES = {name: torch.randn(4, dim, generator=generator) for name, dim in DIMS.items()}
SEEN_AS = {"frames": [0, 0, 2, 2], "audio": [0, 1, 2, 2], "text": [0, 0, 2, 3]}


def make_clip(leaf: int, *, broken: str = "") -> ClipSample:
    """Features of a clip of the ``leaf``-th leaf; the ``broken`` modality is another leaf's."""

    def features(name: str, count: int) -> Features:
        shown = (leaf + 2) % 4 if name == broken else leaf
        return Features(PROTOTYPES[name][SEEN_AS[name][shown]] + torch.randn(count, DIMS[name], generator=generator))

    content = {"frames": features("frames", 6), "audio": features("audio", 4), "text": features("text", 5)}
    return ClipSample(content=content, labels=(int(taxonomy.leaves[leaf]),))


# %% [markdown]
# ## The network
#
# Each stream aggregates a set of features with NeXtVLAD. Its encoder is the identity, because the features are there.


# %%
class MadeElsewhere(nn.Identity):
    """Stands for the encoder that has made the features."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim


WIDTH = 32
streams = {
    name: SetStream(MadeElsewhere(dim), WIDTH, aggregation=Aggregation(), train="frozen") for name, dim in DIMS.items()
}
model = FusionNetwork(
    streams, hierarchy, fusion=FusionConfig(name="reliability", width=WIDTH), head=HeadConfig(experts=2)
)

# %% [markdown]
# ## Training
#
# `corrupt` drops, replaces and swaps modalities of some training clips. That is what trust is learnt from.

# %%
clips = [make_clip(index % 4) for index in range(256)]
model.count_labels(torch.tensor([clip.labels for clip in clips]))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
for epoch in range(12):
    model.train()
    for start in range(0, len(clips), 32):
        batch, intact = corrupt(collate(clips[start : start + 32]), model.corruptions, generator)
        loss = training_loss(model(batch), batch.labels, intact, hierarchy, LossConfig()).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

# %% [markdown]
# ## Whom it trusts

# %%
model.eval()
for broken in ("", "frames", "audio", "text"):
    test = collate([make_clip(index % 4, broken=broken) for index in range(128)])
    with torch.no_grad():
        output = model(test)
    leaves = hierarchy.leaves[output.log_probs[:, hierarchy.leaves].argmax(dim=1)]
    right = (leaves == test.labels[:, 0]).float().mean()
    trust = ", ".join(f"{name} {share:.2f}" for name, share in zip(DIMS, output.reliability.mean(dim=0), strict=True))
    print(f"broken: {broken or 'nothing':8} accuracy {right:.2f}, reliability: {trust}")
