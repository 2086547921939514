"""Train the gated-fusion classifier on the labelled clips of a frame store.

It can: any subset of frames, sound and text; frozen backbones with cached features, the last stage, or whole models;
five fusions; partly labelled and multi-label clips; mixup, balanced classes, averaged weights, early stopping, answers
calibrated on the validation clips; one device or many under accelerate; exact resume; W&B. It cannot: take clips
without any label into training.

    framegate finetune fusion_small data.store=STORE
    accelerate launch --num_processes 8 -m framegate.recipes.finetune fusion_small data.store=STORE
"""

import sys
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.data.batch import MODALITIES, ClipBatch, ClipSample, collate, pad_labels
from framegate.finetune.data.clip_order import BalancedOrder
from framegate.finetune.data.corruption import SwapRates, corrupt
from framegate.finetune.data.mixup import Mixup, draw_mixup
from framegate.finetune.folders.classifier_folder import replace_classifier_folder
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.losses.criterion import training_loss
from framegate.finetune.streams.attention_views import look_again
from framegate.finetune.trainable import parameter_groups
from framegate.media import FrameStore, MediaError
from framegate.media.visible import visible
from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.finetuning.best_weights import BestWeights, moving_average
from framegate.recipes.finetuning.clip_features import frozen_features, noise_features
from framegate.recipes.finetuning.clips import StoreClips, clip_text, label_nodes, present_modalities
from framegate.recipes.finetuning.labels import store_taxonomy
from framegate.recipes.finetuning.validation import calibrate, validate
from framegate.recipes.program import run_program
from framegate.recipes.reports.cards import classifier_card
from framegate.recipes.reports.finetune_report import write_finetune_report
from framegate.recipes.training.data_digest import data_digest
from framegate.recipes.training.optimizers import build_optimizer, set_lr
from framegate.recipes.training.run_setup import RunSetup, open_run
from framegate.recipes.training.training_run import TrainingRun
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.data_workers import usable_workers
from framegate.ssl.data.epoch_order import EpochOrder
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.data.view_pairs import MicroBatches
from framegate.ssl.schedule import CosineSchedule


def finetune(config: FinetuneConfig, *, resume: bool = False, force: bool = False) -> Path:
    """Run a recipe to its end.

    Args:
        config: the recipe.
        resume: continue where the run in the folder was left.
        force: continue it with another config, too.

    Returns:
        The run folder, with ``classifier/`` and ``report.html`` in it.

    Raises:
        LabelError: the store's labels do not fit the taxonomy.
        MediaError: the store is missing, or has no labelled training clips with anything that the model takes.
        RunError: the run exists, or may not be continued like this.
        TrainingError: the loss is not a number, or a signal asked the run to stop.
    """
    store = FrameStore(config.data.store)
    taxonomy = store_taxonomy(store, config.data.taxonomy)
    labels = label_nodes(store, taxonomy)
    rows = _training_rows(config, store, labels)
    options, layout = store.extraction
    sampling = Sampling(
        frames=config.data.frames, audio_seconds=config.data.audio_seconds, extraction=options, layout=layout
    )
    # In a batch nobody may have sound, or text; that stream then has no gradient.
    with open_run(config, resume=resume, force=force, find_unused_parameters=True) as setup:
        if setup.is_main and config.frame_backbone:
            sys.stderr.write(f"{visible(config.frame_backbone)}\n")
        order = _order(config, rows, labels, setup.processes)
        torch.manual_seed(config.seed)
        texts = (clip_text(video.title, video.description) for video in map(store.video, rows.tolist()))
        model = GatedFusionClassifier.create(config.classifier, taxonomy, texts=texts, sampling=sampling)
        if config.compute.channels_last:
            model.to(memory_format=torch.channels_last)
        if config.compute.compile:
            for stream in model.streams.values():
                cast(nn.Module, stream.encoder).compile()
        model.count_labels(pad_labels([labels[row] for row in rows]))
        schedule = CosineSchedule(
            base=config.optim.highest_lr,
            total_steps=order.total_steps,
            warmup_steps=round(config.optim.warmup_epochs * order.steps_per_epoch),
        )
        wrapped, optimizer = setup.accelerator.prepare(model, _optimizer(config, model))
        ema = config.optim.ema
        average = moving_average(model, ema) if ema is not None else None
        kept = model if average is None else cast(GatedFusionClassifier, average.module)
        best = BestWeights(model) if config.optim.patience is not None else None
        swaps = SwapRates().to(setup.accelerator.device)
        restored = setup.restore(
            modules={"classifier": model, "swaps": swaps, **_there(average=average)},
            records=_there(best=best),
            optimizer=optimizer,
            data=data_digest(config.data.store),
        )
        # Of the backbone as the run has it: the folder that it came from may hold another when a run is resumed.
        features = setup.main_first(
            lambda: frozen_features(model, store, sampling, labels=labels, visible=setup.is_main)
        )
        clips = StoreClips(store, model.prepare, sampling, labels=labels, features=features)
        noise = noise_features(kept, clips, seed=config.seed)
        loader = _loader(config, clips, order, setup)
        run = TrainingRun(restored, total_steps=order.total_steps)
        batches = run.batches(loader)

        wrapped.train()
        for step in range(run.first_step, order.total_steps):  # a step is an optimizer update
            if best is not None and _exhausted(config, best):
                break
            set_lr(optimizer, schedule(step))
            for micro in range(config.optim.accumulate):
                with run.waiting():
                    batch = next(batches).to(run.accelerator.device)
                generator = _generator(config.seed, step, micro, run.rank)
                batch = _look_again(config, model, batch, generator)
                corrupted, intact = corrupt(batch, swaps.balance(model.corruptions), generator, noise=noise)
                mixup = _draw_mixup(config, corrupted, intact, generator)
                with run.accelerator.accumulate(wrapped):
                    output = wrapped(corrupted, mixup)
                    loss = training_loss(
                        output, batch.labels, intact, model.hierarchy, config.loss, counts=model.counts, mixup=mixup
                    )
                    run.accelerator.backward(loss.total)
                run.check(loss.total)
                swaps.learn(loss.corrupted)
            if config.optim.clip_grad is not None:
                run.accelerator.clip_grad_norm_(wrapped.parameters(), config.optim.clip_grad)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if average is not None:
                average.update_parameters(model)

            done = step + 1
            if best is not None and done % order.steps_per_epoch == 0:
                best.offer(kept, run.of_main(lambda: validate(kept, clips)))
                wrapped.train()
                if _exhausted(config, best):
                    run.end_after(done)
            if run.log_due(done):
                run.log(
                    done,
                    epoch=step // order.steps_per_epoch,
                    images=order.batch_size,
                    loss=loss.total,
                    fused=loss.fused,
                    lr=schedule(step),
                    momentum=config.optim.ema,
                )
            run.checkpoint_if_due(done)

        answering = kept if best is None else cast(GatedFusionClassifier, best.model)
        run.on_main(lambda: _finish(config, answering, clips, run))
    return run.folder.path


def _finish(config: FinetuneConfig, model: GatedFusionClassifier, clips: StoreClips, run: TrainingRun) -> None:
    calibrate(model, clips)
    card = classifier_card(config, run.folder.rows())
    replace_classifier_folder(run.folder.path / "classifier", model.save_pretrained, card=card)
    write_finetune_report(run.folder, model, clips)


def _training_rows(config: FinetuneConfig, store: FrameStore, labels: list[tuple[int, ...]]) -> np.ndarray:
    split = store.videos["split"].to_pylist()
    rows = np.array([row for row, nodes in enumerate(labels) if nodes and split[row] == "train"], dtype=np.int64)
    if len(rows) < 2:
        raise MediaError(
            f"{config.data.store}: {len(rows)} labelled clips in split 'train'; training takes two or more"
        )
    if config.optim.patience is not None and not any(nodes and split[row] == "val" for row, nodes in enumerate(labels)):
        raise MediaError(f"{config.data.store}: optim.patience needs labelled clips in split 'val', and there are none")
    there = present_modalities(store)
    streams = [name for name in MODALITIES if getattr(config.streams, name) is not None]
    if not any(there[name][rows].any() for name in streams):
        raise MediaError(
            f"{config.data.store}: no labelled clip in split 'train' has {' or '.join(streams)}: "
            "extract them, or give the model other streams"
        )
    return rows


def _order(config: FinetuneConfig, rows: np.ndarray, labels: list[tuple[int, ...]], processes: int) -> EpochOrder:
    """Which clips in which order; of fewer than a batch, as many as the processes can share evenly are one."""
    parts = processes * config.optim.accumulate
    if len(rows) < parts:
        raise MediaError(
            f"{config.data.store}: {len(rows)} labelled clips in split 'train' are too few for "
            f"{processes} processes × {config.optim.accumulate} accumulated micro-batches"
        )
    batch_size, epochs = min(config.optim.batch_size, len(rows) // parts * parts), config.optim.epochs
    if config.data.sampler == "class_balanced":
        classes = np.array([labels[row][0] for row in rows])
        return BalancedOrder(rows=rows, classes=classes, batch_size=batch_size, epochs=epochs, seed=config.seed)
    return FrameOrder(
        video_of=np.arange(len(rows)),
        frames=rows,
        batch_size=batch_size,
        epochs=epochs,
        frames_per_video=None,
        seed=config.seed,
    )


def _there(**modules: nn.Module | None) -> dict[str, nn.Module]:
    return {name: module for name, module in modules.items() if module is not None}


def _exhausted(config: FinetuneConfig, best: BestWeights) -> bool:
    return config.optim.patience is not None and int(best.misses) >= config.optim.patience


def _look_again(
    config: FinetuneConfig, model: GatedFusionClassifier, batch: ClipBatch, generator: torch.Generator
) -> ClipBatch:
    if not config.augment.drop and not config.augment.crop:
        return batch
    backbone = model.streams["frames"].encoder
    assert isinstance(backbone, Backbone)
    return look_again(batch, backbone, drop=config.augment.drop, crop=config.augment.crop, generator=generator)


def _draw_mixup(config: FinetuneConfig, batch: ClipBatch, intact: Tensor, generator: torch.Generator) -> Mixup | None:
    if not config.augment.mixup:
        return None
    return draw_mixup(batch.present, intact, alpha=config.augment.mixup, generator=generator)


def _optimizer(config: FinetuneConfig, model: GatedFusionClassifier) -> torch.optim.Optimizer:
    streams = config.streams
    rates = {
        name: stream.lr
        for name, stream in (("frames", streams.frames), ("audio", streams.audio), ("text", streams.text))
        if stream is not None
    }
    groups = parameter_groups(
        model,
        lr=config.optim.lr,
        weight_decay=config.optim.weight_decay,
        stream_lr=rates,
        layer_decay=config.optim.layer_decay,
    )
    return build_optimizer(config.optim, [{**group, "lr_scale": group["lr"] / config.optim.lr} for group in groups])


def _generator(seed: int, step: int, micro: int, rank: int) -> torch.Generator:
    """What is corrupted in a micro-batch is a function of where it stands."""
    state = np.random.SeedSequence([seed, step, micro, rank]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def _loader(config: FinetuneConfig, clips: StoreClips, order: EpochOrder, setup: RunSetup) -> DataLoader[ClipSample]:
    return DataLoader(
        clips,
        batch_sampler=MicroBatches(
            order,
            first_step=setup.first_step,
            accumulate=config.optim.accumulate,
            rank=setup.rank,
            processes=setup.processes,
        ),
        collate_fn=collate,
        num_workers=usable_workers(config.data.workers),
        generator=torch.Generator(),  # the loader's own draws leave the run's random state alone
    )


if __name__ == "__main__":
    run_program("finetune", FinetuneConfig, finetune)
