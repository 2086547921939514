"""Watch a pretraining: statistics, probes and audits when they are due, and a warning when it has collapsed."""

import json
import sys
from typing import Any, cast

from torch import nn

from framegate.media import FrameStore
from framegate.media.files import write_text
from framegate.media.visible import visible, visible_error
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.finetuning.labels import LabelError
from framegate.recipes.pretraining.audit_rows import audit_metrics, audit_values
from framegate.recipes.pretraining.neighbour_watch import NeighbourWatch
from framegate.recipes.pretraining.online_probe import OnlineProbe
from framegate.recipes.pretraining.pretrain_pictures import neighbour_strips, view_pairs
from framegate.recipes.pretraining.similarities import SimilarityHistograms
from framegate.recipes.training.tracking import Board
from framegate.recipes.training.training_run import TrainingRun
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.diagnostics import (
    collapse,
    embedding_diagnostics,
    queue_age,
    sample_similarities,
)
from framegate.ssl.learning_state import learning_words
from framegate.ssl.methods.method import Method, MethodOutput
from framegate.ssl.modules.key_queue import EMPTY, KeyQueue
from framegate.ssl.modules.teacher import Teacher
from framegate.ssl.probes.probe_split import ProbeError


class PretrainWatch:
    """Watches one run, on the main process; on the others every call returns nothing at once.

    A fresh run shows W&B the views that it learns from.

    Args:
        run: the training.
        config: the recipe.
        store: what it trains on.
        neighbours: of held-out frames, at the last look.

    Example:
        >>> watch = PretrainWatch(run, config, store, neighbours)
        >>> if run.log_due(done):
        ...     seen = watch.at_log(done, output, method)
        ...     if run.probe_due(done):
        ...         seen |= watch.at_probe(done, method.backbone)
        ...     if run.audit_due(done):
        ...         seen |= watch.at_audit(method.backbone)
        ...     run.log(done, ..., **seen)
    """

    def __init__(self, run: TrainingRun, config: PretrainConfig, store: FrameStore, neighbours: NeighbourWatch):
        self._visible = run.is_main
        self._neighbours = neighbours
        self._accumulate = config.optim.accumulate
        self._folder = run.folder
        self._store = store
        self._probe: OnlineProbe | None = None
        self._audit_every = config.log.audit_every
        self._auditable = True
        self._rows = run.folder.rows() if run.is_main and run.folder.metrics.exists() else []
        self._called_out = collapse(self._rows) is not None
        self._board = Board(run.accelerator)
        if self._visible and config.log.wandb_project and run.first_step == 0:
            self._board.picture("views", view_pairs(config, store), step=0, caption="the two views of each frame")

    def at_log(self, step: int, output: MethodOutput, method: nn.Module) -> dict[str, float]:
        """Compute statistics of the latest micro-batch, for the row of metrics.

        Similarity histograms go to W&B and, the latest, to ``RUN/similarities.json``. A collapse is called out once, on
        stderr and as a W&B alert.

        Args:
            step: updates done.
            output: of this process's latest micro-batch, after `push`.
            method: the unwrapped module, whose queue's age is told where it has one.

        Returns:
            `embedding_diagnostics`, and ``queue_age`` in steps.
        """
        if not self._visible:
            return {}
        similarities = sample_similarities(
            output.queries, output.positives, output.sources, output.keys, output.key_sources
        )
        figures = embedding_diagnostics(output.queries, output.positives, similarities)
        for queue in (module for module in method.modules() if isinstance(module, KeyQueue)):
            filled = int((queue.sources != EMPTY).sum())
            figures["queue_age"] = queue_age(filled, len(output.keys) * self._accumulate)
        histograms = SimilarityHistograms.of(similarities, step=step)
        histograms.write(self._folder)
        self._board.histogram("positive_similarity", histograms.positive, low=-1, high=1, step=step)
        self._board.histogram("negative_similarity", histograms.negative, low=-1, high=1, step=step)
        self._rows.append({"step": step, **figures})
        self._call_out_collapse()
        return figures

    def at_look(self, method: Method) -> dict[str, float]:
        """See which frames the backbone finds alike now, for the row of metrics; see `NeighbourWatch.look`."""
        if not self._visible:
            return {}
        teachers = [module.backbone for module in method.modules() if isinstance(module, Teacher)]
        return self._neighbours.look(method.backbone, teacher=cast(Backbone, teachers[0]) if teachers else None)

    def at_probe(self, step: int, backbone: Backbone) -> dict[str, float]:
        """Probe the backbone, for the row of metrics; W&B is shown frames with their nearest neighbours.

        Args:
            step: updates done.
            backbone: used in evaluation mode, and left as it was.

        Returns:
            ``knn_LEVEL`` for each level of the store's taxonomy, where it has one and both splits have labelled rows;
            ``feature_std`` and ``feature_rank`` of the backbone's features.
        """
        if not self._visible:
            return {}
        first = self._probe is None
        self._probe = self._probe or OnlineProbe(self._store)
        seen = self._probe.compute_features(backbone)
        figures = self._probe.figures(seen)
        strips = neighbour_strips(self._store, seen)
        if strips is not None:
            self._board.picture("neighbours", strips, step=step, caption="frames and their nearest of other sources")
        if first and self._probe.problem:
            sys.stderr.write(f"no kNN while training: {visible(self._probe.problem)}\n")
        return figures

    def at_audit(self, backbone: Backbone) -> dict[str, float]:
        """Audit the backbone lightly, for the row of metrics.

        Args:
            backbone: used in evaluation mode, and left as it was.

        Returns:
            What `audit_metrics` does; nothing of a store that cannot be audited, which is said once, on stderr.
        """
        if not self._visible or not self._auditable:
            return {}
        try:
            return audit_metrics(backbone, self._store)
        except (LabelError, ProbeError) as error:
            self._auditable = False
            sys.stderr.write(f"no audit while training: {visible_error(error)}\n")
            return {}

    def at_end(self, step: int, backbone: Backbone) -> dict[str, Any] | None:
        """Say whether a longer run would have gained; and if the recipe asks for audits, run the whole one.

        Returns:
            The audit with its ``step``, as ``RUN/audit.json`` has it, or None.
        """
        if not self._visible:
            return None
        if words := learning_words(self._folder.rows()):
            sys.stderr.write(f"{words}\n")
        if not self._auditable or self._audit_every is None:
            return None
        try:
            audited = audit_values(backbone, self._store) | {"step": step}
        except (LabelError, ProbeError) as error:
            sys.stderr.write(f"no audit of the backbone: {visible_error(error)}\n")
            return None
        write_text(self._folder.audit, json.dumps(audited) + "\n")
        return audited

    def _call_out_collapse(self) -> None:
        words = None if self._called_out else collapse(self._rows)
        if words:
            self._called_out = True
            sys.stderr.write(f"\nwarning: {words}\n")
            self._board.alert("collapse", words)
