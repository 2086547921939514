"""Pictures for a pretraining's report: pairs of views, and frames with similar features."""

import cv2
import numpy as np
import torch

from framegate.augment import plain_view
from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.pretraining.online_probe import FrameFeatures
from framegate.recipes.pretraining.training_pairs import training_pairs
from framegate.ssl.data.view_pairs import source_numbers
from framegate.ssl.probes.neighbours import nearest_of_other_sources

_WHITE = 255
_GAP = 4
_CELL = 96  # pixels a side of a picture in a sheet
_LINE = 18  # pixels of height for a line of text


def view_pairs(config: PretrainConfig, store: FrameStore, *, columns: int = 6, rows: int = 4) -> np.ndarray:
    """Draw a sheet (H, W, 3) uint8 of the first epoch's pairs of views of evenly spaced frames of the store."""
    data = training_pairs(config, store)
    frames = np.linspace(0, len(store) - 1, columns * rows).astype(int)
    seen = [data[0, int(frame)] for frame in frames]
    pairs = [_framed(np.hstack([_shown(pair.first.pixels), _shown(pair.second.pixels)])) for pair in seen]
    return np.vstack([np.hstack(pairs[row * columns : (row + 1) * columns]) for row in range(rows)])


def neighbour_strips(
    store: FrameStore, seen: FrameFeatures, *, strips: int = 8, neighbours: int = 7
) -> np.ndarray | None:
    """Draw a sheet (H, W, 3) uint8 of frames, each with the frames of other sources that have the nearest features.

    Under each neighbour stands its cosine. None where all frames are of one source.
    """
    sources = source_numbers(store)[seen.frames]
    if len(np.unique(sources)) < 2:
        return None
    queries = torch.from_numpy(evenly_spaced(len(seen.frames), strips, rounding="nearest"))
    rows, cosines = nearest_of_other_sources(seen.features, torch.from_numpy(sources), queries, k=neighbours)
    lines = [_headings(rows.shape[1])]
    for query, near, near_cosines in zip(queries.tolist(), rows.tolist(), cosines.tolist(), strict=True):
        cells = [_cell(store, seen.frames[query], ""), _empty()[:, : 2 * _GAP]]
        cells += [
            _empty() if row < 0 else _cell(store, seen.frames[row], f"{cosine:.2f}")
            for row, cosine in zip(near, near_cosines, strict=True)
        ]
        lines.append(np.hstack(cells))
    return np.vstack(lines)


def _cell(store: FrameStore, frame: int, words: str) -> np.ndarray:
    picture = plain_view(store.jpeg(int(frame)), _CELL)
    return np.vstack([_framed(picture), _text(words, _CELL + 2 * _GAP)])


def _empty() -> np.ndarray:
    return np.full((_CELL + 2 * _GAP + _LINE, _CELL + 2 * _GAP, 3), _WHITE, np.uint8)


def _headings(neighbours: int) -> np.ndarray:
    cell = _CELL + 2 * _GAP
    return np.hstack([_text("frame", cell + 2 * _GAP), _text("its nearest, of other sources", neighbours * cell)])


def _shown(view: np.ndarray) -> np.ndarray:
    """Resize a view to the size of a cell."""
    cell: np.ndarray = cv2.resize(
        view, (_CELL, _CELL), interpolation=cv2.INTER_AREA if len(view) > _CELL else cv2.INTER_LINEAR
    )
    return cell


def _framed(picture: np.ndarray) -> np.ndarray:
    return np.pad(picture, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=_WHITE)


def _text(words: str, width: int) -> np.ndarray:
    line = np.full((_LINE, width, 3), _WHITE, np.uint8)
    cv2.putText(line, words, (_GAP, _LINE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (60, 60, 60), 1, cv2.LINE_AA)
    return line
