# %% [markdown]
# # A framegate backbone in a classifier of your own
#
# A backbone folder opens in plain timm. This trains a linear classifier on its features with plain PyTorch; framegate
# only reads the frames. Needs `store` with labels, and `runs/first/backbone`.

# %%
import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn

from framegate.media import FrameStore, decode_jpeg

# %%
backbone = timm.create_model("local-dir:runs/first/backbone", pretrained=True, num_classes=0).eval()
config = resolve_data_config({}, model=backbone)
transform = create_transform(**config)  # the size, mean and deviation that the backbone was trained with
print(config["input_size"], backbone.num_features, "features")

# %% [markdown]
# Features of two frames of each labelled clip. Splits keep programmes apart.

# %%
store = FrameStore("store")
rows = [row for row in range(len(store.videos)) if store.video(row).label and len(store.frame_range(row))]
labels = sorted({store.video(row).label for row in rows})


@torch.no_grad()
def clip_feature(row: int) -> torch.Tensor:
    """The mean feature of the first and the middle frame of the clip at ``row``."""
    frames = store.frame_range(row)
    pictures = [Image.fromarray(decode_jpeg(store.jpeg(frames[at]))) for at in (0, len(frames) // 2)]
    return backbone(torch.stack([transform(picture) for picture in pictures])).mean(dim=0)


features = torch.stack([clip_feature(row) for row in rows])
targets = torch.tensor([labels.index(store.video(row).label) for row in rows])
is_train = torch.from_numpy(np.array([store.video(row).split == "train" for row in rows]))

# %%
mean, std = features[is_train].mean(dim=0), features[is_train].std(dim=0) + 1e-6
inputs = (features - mean) / std
classifier = nn.Linear(backbone.num_features, len(labels))
optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-2, weight_decay=0.1)
for _ in range(100):
    loss = nn.functional.cross_entropy(classifier(inputs[is_train]), targets[is_train])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

right = classifier(inputs[~is_train]).argmax(dim=1) == targets[~is_train]
print(f"{right.float().mean():.1%} of {len(right)} held-out clips, {len(labels)} labels")
