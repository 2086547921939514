# %% [markdown]
# # Views of your own
#
# Pretraining compares views of frames. Here an albumentations pipeline of your own takes the place of framegate's crops
# and colours; overlays are still hidden and painted before it. Needs `store`, which `framegate extract` made.

# %%
import albumentations
import matplotlib.pyplot as plt
import torch
from torch.utils.data import DataLoader

from framegate.augment import Anchor, TwoViews, ViewPolicy
from framegate.media import FrameStore
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.data.view_pairs import MicroBatches, ViewPairs, collate, step_generator
from framegate.ssl.methods.moco import MoCo

SIZE = 32  # pixels a side
store = FrameStore("store")

# %% [markdown]
# The pipeline must end with pictures of SIZE × SIZE. What it draws is a function of the seed, the epoch and the frame,
# as with framegate's own views: the same run gives the same views, on any number of workers.

# %%
pipeline = albumentations.Compose(
    [
        albumentations.RandomResizedCrop((SIZE, SIZE), scale=(0.3, 1.0)),
        albumentations.HorizontalFlip(p=0.5),
        albumentations.RGBShift(p=0.5),
        albumentations.CoarseDropout(p=0.5),
    ]
)
views = TwoViews(ViewPolicy(), image_size=SIZE, seed=0, transform=pipeline)

# %% [markdown]
# Look at them before training.

# %%
figure, axes = plt.subplots(2, 6, figsize=(9, 3))
for column in range(6):
    frame = column * len(store) // 6
    anchor = Anchor(store.jpeg(frame), store.video(int(store.video_of[frame])).layout)
    for axis, view in zip(axes[:, column], views(anchor, epoch=0, index=frame), strict=True):
        axis.imshow(view)
        axis.axis("off")
figure.savefig("own_views.png")

# %% [markdown]
# One epoch of MoCo on these views, with timm's smallest ResNet.

# %%
moco = MoCo(Backbone("test_resnet", image_size=SIZE), dim=64, temperature=0.1, queue=256, symmetric=True)
order = FrameOrder(
    video_of=store.video_of,
    frames=torch.arange(len(store)).numpy(),
    batch_size=16,
    epochs=1,
    frames_per_video=4,
    seed=0,
)
loader = DataLoader(ViewPairs(store, views), batch_sampler=MicroBatches(order), collate_fn=collate)
optimizer = torch.optim.AdamW(moco.parameters(), lr=1e-3)
for step, batch in enumerate(loader):
    output = moco(batch, step_generator(seed=0, step=step, micro=0))
    optimizer.zero_grad()
    output.loss.backward()
    optimizer.step()
    moco.push(output)
    moco.update_key_encoder(momentum=0.98)
    print(f"step {step + 1} of {order.total_steps}: loss {output.loss.item():.3f}")
