"""Watch which frames a backbone in training finds alike: whether that still changes tells whether it still learns."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import source_numbers
from framegate.ssl.probes.features import frame_features
from framegate.ssl.probes.neighbours import nearest_of_other_sources, shared_neighbours

LOOKS = 20
"""How often a run is looked at, at even distances; short ones less often, since a look costs as much as some steps."""

NEIGHBOURS = 10
_MAX_FRAMES, _MIN_FRAMES = 512, 50
_STEPS = 20  # between two looks, at least


class NeighbourWatch(nn.Module):
    """The nearest neighbours of held-out frames at the last look; state of the run, so that a resumed one goes on.

    Args:
        store: where the frames come from: those of clips that are not trained on, or where they are few, any.
        total_steps: optimizer updates of the run.
        log_every: updates between rows of metrics: a look falls on a row.
    """

    rows: Tensor

    def __init__(self, store: FrameStore, *, total_steps: int, log_every: int):
        super().__init__()
        split = store.videos["split"].to_numpy(zero_copy_only=False)
        candidates = np.flatnonzero((split != "train")[store.video_of])
        if len(candidates) < _MIN_FRAMES:
            candidates = np.arange(len(store))
        self._store = store
        self._of_teacher: Tensor | None = None
        self._frames = candidates[evenly_spaced(len(candidates), _MAX_FRAMES)]
        self._sources = torch.from_numpy(source_numbers(store)[self._frames])
        looks = min(LOOKS, total_steps // _STEPS)
        rows = (math.ceil(total_steps * look / looks / log_every) * log_every for look in range(1, looks + 1))
        self._steps = {min(row, total_steps) for row in rows}
        self.register_buffer("rows", torch.full((len(self._frames), NEIGHBOURS), -1))

    def is_due(self, step: int) -> bool:
        """Return whether to look after update ``step``."""
        return step in self._steps

    def look(self, backbone: Backbone, *, teacher: Backbone | None = None) -> dict[str, float]:
        """Find the neighbours anew.

        Args:
            backbone: used in evaluation mode, and left as it was.
            teacher: who teaches it, if anybody; of frames with the overlays hidden that were found in them.

        Returns:
            ``neighbours_kept``, the share, 0–1, of each frame's ten nearest that were so at the last look, from the
            second on; ``neighbours_shared``, the share that the teacher finds near, too, where there is one.
        """
        before, self.rows = self.rows, self._neighbours(backbone)
        figures = {} if (before < 0).all() else {"neighbours_kept": shared_neighbours(before, self.rows).item()}
        if teacher is not None:
            if self._of_teacher is None:
                self._of_teacher = self._neighbours(teacher, mask_overlays=True)
            figures["neighbours_shared"] = shared_neighbours(self._of_teacher, self.rows).item()
        return figures

    def _neighbours(self, backbone: Backbone, *, mask_overlays: bool = False) -> Tensor:
        size = backbone.image_size
        features = frame_features(backbone, self._store, self._frames, image_size=size, mask_overlays=mask_overlays)
        rows, _ = nearest_of_other_sources(features, self._sources, torch.arange(len(features)), k=NEIGHBOURS)
        return nn.functional.pad(rows, (0, NEIGHBOURS - rows.shape[1]), value=-1)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load the state; a checkpoint of an older framegate has none, and the next look is then the first."""
        return super().load_state_dict(state_dict or self.state_dict(), *args, **kwargs)
