"""The page of a pretraining run: its curves, and the views it learnt from."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from framegate.augment import Anchor, TwoViews
from framegate.media import FrameStore
from framegate.recipes.page import Page
from framegate.recipes.pretrain_config import PretrainConfig
from framegate.recipes.run_folder import RunFolder

COLLAPSED = 0.1
"""embedding_std below this is called a collapse"""


def write_pretrain_report(config: PretrainConfig, store: FrameStore, run: RunFolder) -> None:
    """Write ``RUN/report.html``."""
    rows = run.rows()
    page = Page(f"framegate · {config.name}", f"{config.method.name}, {config.backbone.name}, {rows[-1]['step']} steps")
    if rows[-1]["embedding_std"] < COLLAPSED:
        page.note(
            "The embedding has collapsed: nearly all frames have the same key. Lower optim.lr or raise the batch."
        )
    page.heading("Curves")
    page.figure(training_curves(rows), "Loss, learning rate, and how far the embedding fills its sphere")
    page.heading("Views")
    page.picture(view_pairs(config, store), "Each frame's two views, side by side, in pairs")
    page.write(run.path / "report.html")


def training_curves(rows: list[dict[str, Any]]) -> Figure:
    """Loss, learning rate and embedding rank over steps."""
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    steps = [row["step"] for row in rows]
    for axes, key in zip(figure.subplots(1, 3), ("loss", "lr", "embedding_rank"), strict=True):
        axes.plot(steps, [row[key] for row in rows])
        axes.set(title=key.replace("_", " "), xlabel="step")
    return figure


def view_pairs(config: PretrainConfig, store: FrameStore, *, columns: int = 8, rows: int = 3) -> np.ndarray:
    """A sheet (H, W, 3) of pairs of views of frames spread over the store."""
    views = TwoViews(config.views, image_size=config.backbone.image_size, seed=config.seed)
    frames = np.linspace(0, len(store) - 1, columns * rows).astype(int)
    gap = 4
    pairs = []
    for frame in frames:
        donor = store.jpeg(int((frame + len(store) // 2) % len(store)))
        layout = store.video(int(store.video_of[frame])).layout
        pair = views(Anchor(store.jpeg(int(frame)), layout), epoch=0, index=int(frame), donor=Anchor(donor, layout))
        pairs.append(np.pad(np.hstack(pair), ((gap, gap), (gap, gap), (0, 0)), constant_values=255))
    return np.vstack([np.hstack(pairs[row * columns : (row + 1) * columns]) for row in range(rows)])
