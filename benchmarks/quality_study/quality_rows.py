"""The rows of `ssl_quality.py`: what is trained, on what, for how long."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch
from quality_study.quality_data import Stores
from quality_study.quality_peers import query_images, train_lightly, train_supervised

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, flat, read_recipe
from framegate.recipes.pretrain import pretrain
from framegate.ssl.backbones.backbone import Backbone, BackboneError, load_backbone
from framegate.ssl.backbones.packaged_weights import packaged_weights

RECIPE = "moco_small"  # whose defaults are under test
SIDE = {64: 96, 128: 176}  # pixels of the frames that views of so many pixels are cut from

# The default less one part each; where the default lacks a part, the row adds it instead, and says so. And all of its
# parts with the optimizer, batch, queue and momentum that lightly's row has.
ABLATIONS: dict[str, tuple[str, ...]] = {
    "no-own-source-mask": ("method.own=frame",),
    "same-shot-positives": ("method.positive_seconds=3",),
    "no-painted-looks": ("views.overlays.paint=0",),
    "no-one-view-survival": ("views.overlays.survive=1", "views.overlays.assume=false"),
    "no-same-look-negatives": ("data.same_look=0",),
    "no-split-batch-norm": ("method.batch_norm=plain",),
    "lightly-schedule": (
        *("optim.name=sgd", "optim.lr=0.12", "optim.batch_size=128", "optim.weight_decay=5e-4"),
        *("method.queue=4096", "method.momentum=0.99"),
    ),
    "attention-drop": ("method.symmetric=true", "views.attention.drop=0.3", "views.attention.from_epoch={quarter}"),
    "attention-crop": ("method.symmetric=true", "views.attention.crop=0.3", "views.attention.from_epoch={quarter}"),
}
THRICE = ("no-painted-looks", "same-shot-positives")  # the two that matter most, on all seeds
OTHERS = ("random", "lightly", "supervised", "supervised-no-looks", "imagenet")  # rows without the recipe
NO_LAYOUT = ("no-one-view-survival",)  # these rows train on a store in which no overlay was found


class SkippedError(Exception):
    """A row that cannot be or need not be run, and why."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long rows train: lightly's symmetric epochs, frames an epoch takes of each clip, precision of both."""

    epochs: int
    frames: int
    bf16: bool
    continued_epochs: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training. ``share``: of the budget's epochs. ``extra``: overrides for framegate's recipe."""

    name: str
    kind: str
    seed: int
    share: float = 1.0
    image_size: int = 64
    extra: tuple[str, ...] = ()


def all_rows(seeds: list[int], *, thrice: Sequence[str]) -> list[Row]:
    """The whole table, what matters most first; ``thrice``: the ablations that run on all seeds."""
    first = seeds[0]
    rows = [
        Row(name=f"{kind}-{seed}", kind=kind, seed=seed)
        for seed in seeds
        for kind in ("random", "lightly", "framegate")
    ]
    rows += [
        Row(name=f"framegate-half-{seed}", kind="framegate", seed=seed, share=0.5)
        for seed in (seeds if thrice else [first])
    ]
    for name, overrides in ABLATIONS.items():
        for seed in seeds if name in thrice else [first]:
            rows.append(Row(name=f"{name}-{seed}", kind=name, seed=seed, share=0.5, extra=overrides))
    rows += [
        Row(name=f"equal-time-{first}", kind="equal-time", seed=first),
        Row(name=f"no-looks-{first}", kind="no-looks", seed=first),
        Row(name=f"supervised-{first}", kind="supervised", seed=first, share=0.5),
        Row(name=f"supervised-no-looks-{first}", kind="supervised-no-looks", seed=first, share=0.5),
        Row(name="imagenet", kind="imagenet", seed=first, image_size=128),
    ]
    rows += [
        Row(name=f"imagenet-continued-{seed}", kind="imagenet-continued", seed=seed, image_size=128) for seed in seeds
    ]
    return rows


def train(
    row: Row, stores: Stores, budget: Budget, *, work: Path, extra: tuple[str, ...], time_ratio: float
) -> tuple[Backbone, int]:
    """The row's backbone, and how many pictures its query encoder saw with a gradient.

    ``time_ratio``: seconds of lightly over framegate's for a query image, for the row at equal wall time.
    """
    epochs = max(1, round(budget.epochs * row.share))
    peers = {"epochs": epochs, "frames_per_epoch": budget.frames, "seed": row.seed, "bf16": budget.bf16}
    clips = stores.training_clips
    images = query_images(clips, epochs=epochs, frames_per_epoch=budget.frames)
    equal = {"images": images, "clips": clips, "budget": budget, "work": work}
    match row.kind:
        case "random":
            torch.manual_seed(row.seed)
            return Backbone("resnet18", image_size=row.image_size), 0
        case "lightly":
            return train_lightly(stores.planted, image_size=row.image_size, **peers), images
        case "supervised":
            return train_supervised(stores.planted, image_size=row.image_size, **peers), images
        case "supervised-no-looks":
            return train_supervised(stores.plain, image_size=row.image_size, **peers), images
        case "imagenet":
            return Backbone("tf_efficientnet_lite0", weights=imagenet_weights(), image_size=128), 0
        case "imagenet-continued":
            start = (
                "backbone.name=tf_efficientnet_lite0",
                f"backbone.weights={imagenet_weights()}",
                "optim.lr=0.004",
            )
            equal["images"] = query_images(clips, epochs=budget.continued_epochs, frames_per_epoch=budget.frames)
            return _framegate(row, stores.planted.path, extra=(*start, *extra), **equal)
        case "no-looks":
            return _framegate(row, stores.plain.path, extra=extra, **equal)
        case "equal-time":
            equal["images"] = round(images * time_ratio)
            return _framegate(row, stores.planted.path, extra=extra, **equal)
        case _:
            store = stores.planted.path
            if row.kind in NO_LAYOUT:
                store = _without_layout(store)
            return _framegate(row, store, extra=(*extra, *row.extra), **equal)


def _framegate(
    row: Row, store: Path, *, images: int, clips: int, budget: Budget, work: Path, extra: tuple[str, ...]
) -> tuple[Backbone, int]:
    """The recipe itself, at ``images`` query images, or as many whole epochs as are fewer."""
    shutil.rmtree(work / "runs" / row.name, ignore_errors=True)
    equal = {"images": images, "clips": clips, "budget": budget, "work": work}
    config = _config(row, store, extra=extra, **equal)
    if row.kind in ABLATIONS and row.kind not in NO_LAYOUT:
        default = flat(_config(row, store, extra=extra[: len(extra) - len(row.extra)], **equal).model_dump(mode="json"))
        changed = {key for key, value in flat(config.model_dump(mode="json")).items() if default.get(key) != value}
        if not changed - {"optim.epochs"}:
            raise SkippedError("this is the default already")
    run = pretrain(config)
    backbone = load_backbone(str(run / "backbone"))
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    return backbone, config.optim.epochs * _images_per_epoch(config, clips)


def _config(
    row: Row, store: Path, *, images: int, clips: int, budget: Budget, work: Path, extra: tuple[str, ...]
) -> PretrainConfig:
    def read(epochs: int) -> PretrainConfig:
        overrides = [
            *(f"name={row.name}", f"run_dir={work / 'runs'}", f"seed={row.seed}", f"data.store={store}"),
            *("data.split=train", f"data.frames_per_video={budget.frames}", f"backbone.image_size={row.image_size}"),
            *("backbone.name=resnet18", f"optim.epochs={epochs}"),
            *(
                f"compute.precision={'bf16' if budget.bf16 else 'fp32'}",
                "log.wandb_project=null",
                "checkpoint.every=100000",
            ),
            *(override.format(quarter=max(1, epochs // 4)) for override in extra),
        ]
        try:
            return read_recipe(PretrainConfig, RECIPE, overrides)
        except RecipeError as error:
            raise SkippedError(str(error)) from error

    return read(max(1, images // _images_per_epoch(read(1), clips)))


def _images_per_epoch(config: PretrainConfig, clips: int) -> int:
    """Pictures that go through the query encoder with a gradient in one epoch: whole batches alone."""
    anchors = clips * (config.data.frames_per_video or 1)
    return anchors // config.optim.batch_size * config.optim.batch_size * queries_per_anchor(config)


def recipe_digest() -> str:
    """Changes when the recipe's values do, written or default: rows made with other defaults must not share a table."""
    values = read_recipe(PretrainConfig, RECIPE, []).model_dump(mode="json", exclude={"version"})
    values["method"] |= {"hidden": 4096, "freeze_patches": True}  # MoCo v3's, which the digests of kept rows cover, too
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def queries_per_anchor(config: PretrainConfig) -> int:
    """How many pictures of each anchor go through the query encoder with a gradient."""
    return 2 if getattr(config.method, "symmetric", config.method.name == "simclr") else 1


def _without_layout(store: Path) -> Path:
    """A copy of a store, its shards linked, that tells of no overlays."""
    copy = store.with_name(f"{store.name}-unfound")
    if not copy.exists():
        aside = Path(tempfile.mkdtemp(dir=store.parent))
        for file in store.glob("*-*.*"):
            (aside / file.name).hardlink_to(file)
        videos = pa.ipc.open_stream((store / "videos.arrow").read_bytes()).read_all()
        for name, nothing in (("borders", [0.0, 0.0, 1.0, 1.0]), ("logos", []), ("subtitles", [])):
            column = pa.array([nothing] * len(videos), videos.schema.field(name).type)
            videos = videos.set_column(videos.schema.get_field_index(name), videos.schema.field(name), column)
        with pa.ipc.new_stream(str(aside / "videos.arrow"), videos.schema) as writer:
            writer.write_table(videos)
        try:
            aside.rename(copy)
        except OSError:  # another row was quicker
            shutil.rmtree(aside)
    return copy


def imagenet_weights() -> str:
    """What a recipe says to take EfficientNet-Lite0's weights from their package, which must be installed."""
    try:
        packaged_weights("tf_efficientnet_lite0")
    except BackboneError as error:
        raise SkippedError(str(error)) from error
    return "package"
