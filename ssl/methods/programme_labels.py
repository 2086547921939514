"""Weak labels: pretraining by telling which programme a frame comes from, alone or beside another method."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.margin_softmax import UNLABELLED, Margin, margin_softmax, sample_classes
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, Method, MethodOutput, unit
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.modules.gather import gather_rows


class ProgrammeTerm(NamedTuple):
    """The programme loss of some features, and what it compared."""

    loss: Tensor
    """() mean over the labelled rows of all processes, as averaged over processes; 0 where there are none."""
    rows: Tensor
    """(N, dim) unit rows: the features as they were compared, without gradient."""
    centres: Tensor
    """(N, dim) unit rows: the centre of each row's programme, without gradient; its own row where it has none."""


class ProgrammeLoss(nn.Module):
    """Margin softmax of backbone features over programmes, each with a unit centre, of which a step takes a sample.

    A step compares with ``sampled`` classes: those of the batch and others drawn anew (see
    `framegate.ssl.losses.margin_softmax`). Time and memory of the comparison are batch × ``sampled``, whatever the
    number of programmes; beyond it a programme costs its centre, the centre's gradient and the optimizer's state:
    ``dim`` numbers each. The gradient is a full matrix with zeros for what was not taken, so that every optimizer,
    DDP and checkpoints treat centres like any other weight; at 60,000 × 128 that is 31 MB, less than a ResNet-18's.

    Args:
        features: length of a feature, the backbone's ``dim``.
        programmes: how many classes there are.
        dim: length of a centre.
        sampled: classes that a step compares with; all of them where there are no more.
        temperature, margin, kind: see `margin_softmax`.
    """

    def __init__(
        self,
        features: int,
        programmes: int,
        *,
        dim: int = 128,
        sampled: int = 8192,
        temperature: float = 0.03,
        margin: float = 0.35,
        kind: Margin = "cosface",
    ):
        super().__init__()
        self.project = nn.Linear(features, dim, bias=False)
        # Unit length to begin with: the gradient of a direction is divided by the length that carries it.
        self.centres = nn.Parameter(F.normalize(torch.randn(programmes, dim), dim=1))
        self.sampled = sampled
        self.temperature = temperature
        self.margin = margin
        self.kind: Margin = kind

    def forward(self, features: Tensor, programme: Tensor, generator: torch.Generator) -> ProgrammeTerm:
        """Compute the loss of this process's rows.

        Args:
            features: (N, features), with gradient.
            programme: (N,) int64, the class of each, -1 where it is not known and the row does not count.
            generator: a CPU generator in the same state on every process, so that all compare with the same classes.
        """
        everywhere = gather_rows(programme)
        classes = sample_classes(everywhere, classes=len(self.centres), size=self.sampled, generator=generator)
        labelled = programme != UNLABELLED
        column = torch.searchsorted(classes, programme.clamp_min(0)).clamp_max(len(classes) - 1)
        projected = self.project(features)
        # In half precision cosines are too coarse to be divided by τ.
        with torch.autocast(features.device.type, enabled=False):
            rows = unit(projected)
            centres = F.normalize(self.centres.index_select(0, classes), dim=1)
            losses = margin_softmax(
                rows @ centres.T, column, margin=self.margin, kind=self.kind, temperature=self.temperature
            )
        # Processes have different numbers of labelled rows, but their mean has to be the mean over all rows.
        processes = len(everywhere) // len(programme)
        counted = (everywhere != UNLABELLED).sum().clamp_min(1)
        loss = losses.masked_fill(~labelled, 0.0).sum() * processes / counted
        with torch.no_grad():
            own = torch.where(labelled[:, None], centres[column], rows)
        return ProgrammeTerm(loss, rows.detach(), own)


class Programme(Method):
    """Pretraining by the programme alone.

    No views are contrasted, so plain batch norm betrays nothing. What a network could lean on instead of the picture is
    the programme's look: keep the overlay policy of the views on.

    Args:
        backbone: what training changes.
        loss: the classifier on its features.
        symmetric: both views are classified, not the first alone; twice the images a step.
        batch_norm: see `framegate.ssl.modules.batch_norm`.
    """

    def __init__(
        self, backbone: Backbone, loss: ProgrammeLoss, *, symmetric: bool = False, batch_norm: BatchNorm = "plain"
    ):
        super().__init__()
        self.encoder = set_batch_norm(nn.Sequential(backbone), batch_norm)
        self.programme_loss = loss
        self.symmetric = symmetric

    @property
    def backbone(self) -> Backbone:
        """The backbone that is trained and exported."""
        return cast(Backbone, self.encoder.get_submodule("0"))

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch; see `Method.forward`. ``attention`` is not used.

        A query's positive is the centre of its programme. Rows without a programme are no queries.
        """
        views = [batch.first, batch.second] if self.symmetric else [batch.first]
        programme = batch.programme.repeat(len(views))
        term = self.programme_loss(self.encoder(torch.cat(views)), programme, generator)
        labelled = programme != UNLABELLED
        return MethodOutput(
            loss=term.loss,
            queries=term.rows[labelled],
            positives=term.centres[labelled],
            sources=batch.source.repeat(len(views))[labelled],
            keys=term.rows[:0],
            key_sources=batch.source[:0],
        )


class WithProgramme(Method):
    """A method with the programme loss beside it, on the features of the method's own queries: no further forward.

    Args:
        method: passes its queries through its `backbone` once.
        loss: the classifier on their features.
        weight: of its loss; the method's own counts 1.
    """

    def __init__(self, method: Method, loss: ProgrammeLoss, *, weight: float = 1.0):
        super().__init__()
        self.method = method
        self.programme_loss = loss
        self.weight = weight
        self._features: list[Tensor] = []
        method.backbone.register_forward_hook(self._remember)

    @property
    def backbone(self) -> Backbone:
        """The backbone that is trained and exported."""
        return self.method.backbone

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the weighted sum of both losses; all else is the method's output."""
        self._features.clear()
        output: MethodOutput = self.method(batch, generator, attention)
        (features,) = self._features
        self._features.clear()
        programme = batch.programme.repeat(len(features) // len(batch.programme))
        term = self.programme_loss(features, programme, generator)
        return output._replace(loss=output.loss + self.weight * term.loss)

    def push(self, output: MethodOutput) -> None:
        """Keep keys as the method does."""
        self.method.push(output)

    def update_key_encoder(self, momentum: float) -> None:
        """Move the method's key encoder."""
        self.method.update_key_encoder(momentum)

    def _remember(self, backbone: nn.Module, images: tuple[Tensor], features: Tensor) -> None:
        if self.training:  # what a probe passes through between steps is of no use here
            self._features.append(features)
