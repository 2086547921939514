"""Distillation: a student learns a frozen teacher's similarities, and not the teacher's leaning on overlays.

Teacher and student see the same crop in the same colours, since a consistent teacher teaches best (Beyer et al. 2022,
"A good teacher is patient and consistent"). What is painted over the student's view, and what was found in the frame,
the teacher does not see.
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.info_nce import Rows
from framegate.ssl.losses.similarity_kl import similarity_kl
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, Method, MethodOutput, unit
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.modules.gather import gather_rows, own_rows, processes
from framegate.ssl.modules.key_queue import KeyQueue
from framegate.ssl.modules.teacher import Teacher

Objective = Literal["similarities", "features"]


class Distill(Method):
    """A student's backbone with a head to the teacher's width, the teacher, and a queue of the teacher's features.

    In a batch, ``first`` is the student's view and ``second`` the teacher's, as `TwoViews` makes them with
    ``pairing="same_crop"``; they may differ in size.

    Args:
        backbone: the student's, which training changes.
        teacher: a backbone with weights, which stays as it is.
        temperature: τ of the student's similarities.
        teacher_temperature: τ of the teacher's; a lower one sharpens what the student is to learn.
        queue: capacity in features of the teacher.
        objective: ``similarities``: see `framegate.ssl.losses.similarity_kl`; ``features``: the student's projection is
            to point where the teacher's feature does, ‖s − t‖² of unit rows, and there is no queue.
        mixup: each picture is blended with another of the batch, the teacher's as the student's.
        hidden: width of the head's hidden layer; None: the head is linear, so that the student's features themselves
            have to hold what the teacher's tell.
        batch_norm: see `framegate.ssl.modules.batch_norm`. Nothing is given away by plain batch norm, since the teacher
            has no statistics of the batch.
    """

    def __init__(
        self,
        backbone: Backbone,
        teacher: Backbone,
        *,
        temperature: float = 0.1,
        teacher_temperature: float = 0.05,
        queue: int = 4096,
        objective: Objective = "similarities",
        mixup: bool = False,
        hidden: int | None = None,
        batch_norm: BatchNorm = "plain",
    ):
        super().__init__()
        self.student = set_batch_norm(nn.Sequential(backbone, _head(backbone.dim, hidden, teacher.dim)), batch_norm)
        self.teacher = Teacher(teacher)
        self.queue = KeyQueue(queue, teacher.dim) if objective == "similarities" else None
        self.temperature = temperature
        self.teacher_temperature = teacher_temperature
        self.mixup = mixup

    @property
    def backbone(self) -> Backbone:
        """The student without its head: what is exported."""
        return cast(Backbone, self.student.get_submodule("0"))

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch; see `Method.forward`. ``attention`` is not used."""
        seen, clear = batch.first, batch.second
        if self.mixup:
            seen, clear = mix([seen, clear], generator)
        targets = unit(self.teacher(clear))
        rows = unit(self.student(seen))
        if self.queue is None:
            loss, keys, sources = (rows - targets).square().sum(dim=1).mean(), targets[:0], batch.source[:0]
        else:
            keys, sources = gather_rows(targets), gather_rows(batch.source)
            loss = similarity_kl(
                Rows(rows, batch.source),
                targets,
                Rows(keys, sources),
                Rows(self.queue.keys, self.queue.sources),
                temperature=self.temperature,
                teacher_temperature=self.teacher_temperature,
            )
        return MethodOutput(loss, rows.detach(), targets, batch.source, keys, sources)

    def push(self, output: MethodOutput) -> None:
        """Put the teacher's features of a micro-batch into the queue, where there is one; see `Method.push`."""
        if self.queue is not None:
            self.queue.push(output.keys, output.key_sources)


def mix(views: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """Blend each picture with another of all processes' batch, in each of ``views`` alike.

    This is mixup (Zhang et al. 2018) with shares uniform in 0–1, as Beyer et al. (2022) distil. The larger share is the
    picture's own, so that its source stays the one that is most seen.

    Args:
        views: (B, 3, S, S) uint8 each, of any size S: the same B pictures.
        generator: in the same state on every process; partners and shares do not depend on their number.
    """
    count = len(views[0])
    partner = torch.randperm(processes() * count, generator=generator)[own_rows(count)]
    drawn = torch.rand(processes() * count, generator=generator)[own_rows(count)]
    share = torch.maximum(drawn, 1 - drawn).to(views[0].device)[:, None, None, None]
    partner = partner.to(views[0].device)

    def mixed(view: Tensor) -> Tensor:
        other = gather_rows(view)[partner]
        return (view * share + other * (1 - share)).round().to(view.dtype)  # in the view's memory format

    return [mixed(view) for view in views]


def _head(features: int, hidden: int | None, dim: int) -> nn.Module:
    if hidden is None:
        return nn.Linear(features, dim)
    return nn.Sequential(nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim))
