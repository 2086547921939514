"""Pretrain a frame backbone on a frame store: MoCo v2 and v3, SimCLR, LeJEPA, a teacher, or the programme of a frame.

It can: any timm backbone; one device or many under accelerate; bf16 and fp16; gradient accumulation and clipping;
attention-guided views; exact resume from any checkpoint; W&B. It cannot: shard a model over devices, or change the
number of processes in the middle of a run.

    framegate pretrain moco_small data.store=STORE
    accelerate launch --num_processes 8 -m framegate.recipes.pretrain moco_efficientnet_b0 data.store=STORE
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from framegate.media import FrameStore
from framegate.media.extraction.cores import usable_cores
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_values
from framegate.recipes.pretraining.build_method import make_method
from framegate.recipes.pretraining.neighbour_watch import NeighbourWatch
from framegate.recipes.pretraining.plain_statistics import describe_plain_frames
from framegate.recipes.pretraining.pretrain_schedule import PretrainSchedule
from framegate.recipes.pretraining.pretrain_watch import PretrainWatch
from framegate.recipes.pretraining.settle_auto import settle_auto
from framegate.recipes.pretraining.training_order import training_order
from framegate.recipes.pretraining.training_pairs import training_pairs
from framegate.recipes.program import run_program
from framegate.recipes.reports.cards import backbone_card
from framegate.recipes.reports.pretrain_report import write_pretrain_report
from framegate.recipes.training.data_digest import data_digest
from framegate.recipes.training.optimizers import make_optimizer, set_lr
from framegate.recipes.training.run_folder import RunFolder
from framegate.recipes.training.run_setup import RunSetup, open_run
from framegate.recipes.training.training_errors import TrainingError
from framegate.recipes.training.training_run import TrainingRun
from framegate.ssl.backbones.backbone_export import export_backbone
from framegate.ssl.data.data_workers import usable_workers
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.data.view_pairs import (
    MicroBatches,
    Pair,
    collate,
    programme_numbers,
    step_generator,
)
from framegate.ssl.methods.method import Method


def pretrain(config: PretrainConfig, *, resume: bool = False, force: bool = False) -> Path:
    """Run a recipe to its end.

    Args:
        config: the recipe.
        resume: continue where the run in the folder was left.
        force: continue it with another config, too.

    Returns:
        The run folder, with ``backbone/`` and ``report.html`` in it.

    Raises:
        MediaError: the store is missing, damaged or too small for a batch.
        RunError: the run exists, or may not be continued like this.
        TrainingError: the loss is not a number, or a signal asked the run to stop.
    """
    store = FrameStore(config.data.store)
    order = training_order(config, store)
    config, numbers = _settled(config, order, resume=resume)
    with open_run(config, resume=resume, force=force) as setup:
        if setup.is_main and numbers:
            sys.stderr.write(f"auto, for {order.total_steps} steps on {len(order.frames)} frames: {numbers}\n")
        torch.manual_seed(config.seed)
        method = make_method(config, programmes=int(programme_numbers(store).max()) + 1)
        _refuse_cpu_sync(method, setup)
        steps = PretrainSchedule.of(config, order)
        wrapped, optimizer = setup.accelerator.prepare(method, make_optimizer(config.optim.numbers, method))
        neighbours = NeighbourWatch(store, total_steps=order.total_steps, log_every=config.log.every)
        restored = setup.restore(
            modules={"method": method},
            records={"neighbours": neighbours},
            optimizer=optimizer,
            data=data_digest(config.data.store),
        )
        loader = _loader(config, store, order, setup)
        run = TrainingRun(restored, total_steps=order.total_steps)
        watch = PretrainWatch(run, config, store, neighbours)
        batches = run.batches(loader)
        memory_format = torch.channels_last if config.compute.channels_last else torch.contiguous_format

        wrapped.train()
        for step in range(run.first_step, order.total_steps):  # a step is an optimizer update
            set_lr(optimizer, steps.lr(step))
            for micro in range(config.optim.accumulate):
                with run.waiting():
                    batch = next(batches).to(run.accelerator.device, memory_format=memory_format)
                generator = step_generator(seed=config.seed, step=step, micro=micro)
                with run.accelerator.accumulate(wrapped):
                    output = wrapped(batch, generator, steps.attention(step))
                    run.accelerator.backward(output.loss)
                method.push(output)
                run.check(output.loss)
            if config.optim.clip_grad is not None:
                run.accelerator.clip_grad_norm_(wrapped.parameters(), config.optim.clip_grad)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            momentum = steps.momentum(step)
            if momentum is not None:
                method.update_key_encoder(momentum)

            done = step + 1
            if run.log_due(done):
                run.log(
                    done,
                    epoch=step // order.steps_per_epoch,
                    images=config.optim.batch_size,
                    loss=output.loss,
                    lr=steps.lr(step),
                    momentum=momentum,
                    **watch.at_log(done, output, method),
                    **(watch.at_look(method) if neighbours.is_due(done) else {}),
                    **(watch.at_probe(done, method.backbone) if run.probe_due(done) else {}),
                    **(watch.at_audit(method.backbone) if run.audit_due(done) else {}),
                )
            run.checkpoint_if_due(done)

        if run.is_main:
            if config.views.attention:
                describe_plain_frames(method.backbone, store, order.frames, device=run.accelerator.device)
            audited = watch.at_end(order.total_steps, method.backbone)
            card = backbone_card(config, run.folder.rows(), audited=audited)
            export_backbone(method.backbone, run.folder.path / "backbone", card=card)
            write_pretrain_report(config, store, run.folder, method.backbone, audited=audited)
        run.accelerator.wait_for_everyone()
    return run.folder.path


def _refuse_cpu_sync(method: Method, setup: RunSetup) -> None:
    is_synchronised = any(isinstance(module, nn.SyncBatchNorm) for module in method.modules())
    if is_synchronised and setup.processes > 1 and setup.accelerator.device.type == "cpu":
        raise TrainingError(
            "method.batch_norm: sync needs GPUs; on several CPU processes take plain, or split for a MoCo"
        )


def _settled(config: PretrainConfig, order: FrameOrder, *, resume: bool) -> tuple[PretrainConfig, str]:
    """Return the recipe with numbers for ``auto``, and these in words; a resumed run keeps those that it began with."""
    written = RunFolder(config.run_dir / config.name).config
    settled, numbers = settle_auto(config, order, before=read_values(written) if resume and written.exists() else None)
    return settled, ", ".join(numbers)


def _loader(config: PretrainConfig, store: FrameStore, order: FrameOrder, setup: RunSetup) -> DataLoader[Pair]:
    workers = config.data.workers
    if workers is None:
        workers = max(1, usable_cores() // setup.processes)
    return DataLoader(
        training_pairs(config, store),
        batch_sampler=MicroBatches(
            order,
            first_step=setup.first_step,
            accumulate=config.optim.accumulate,
            rank=setup.rank,
            processes=setup.processes,
        ),
        collate_fn=collate,
        num_workers=usable_workers(workers),
        pin_memory=setup.accelerator.device.type == "cuda",
        worker_init_fn=_one_thread,
        generator=torch.Generator(),  # the loader's own draws leave the run's random state alone
    )


def _one_thread(_: int) -> None:
    """Workers share the cores with the training; OpenCV would otherwise start a thread a core in each."""
    import cv2

    cv2.setNumThreads(0)


if __name__ == "__main__":
    run_program("pretrain", PretrainConfig, pretrain)
