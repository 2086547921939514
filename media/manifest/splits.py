"""Splits by programme: all clips of a programme are in one split, so a test split measures generalisation."""

from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "val", "test")
VAL_SHARE = TEST_SHARE = 0.15


def assign_splits(rows: Sequence[tuple[str, str]], *, seed: int) -> list[str]:
    """Return the split of each row.

    A row without a split takes the one that another row of its programme names. Programmes that name none are divided
    70/15/15 at random; of three such programmes or more, every split gets one.

    >>> assign_splits([("news", "test"), ("news", ""), ("quiz", "train")], seed=0)
    ['test', 'test', 'train']

    Args:
        rows: (programme, split) of each row; the split is ``train``, ``val``, ``test`` or ``""``.
        seed: of the random division.
    """
    chosen: dict[str, str] = {}
    for programme, split in rows:
        if split:
            chosen.setdefault(programme, split)
    undecided = sorted({programme for programme, _ in rows} - chosen.keys())
    order = np.random.default_rng([seed, len(undecided)]).permutation(len(undecided))
    for rank, which in enumerate(order):
        chosen[undecided[which]] = _split_at(rank, len(undecided))
    return [split or chosen[programme] for programme, split in rows]


def _split_at(rank: int, count: int) -> str:
    test = max(1, round(TEST_SHARE * count)) if count >= 2 else 0
    val = max(1, round(VAL_SHARE * count)) if count >= 3 else 0
    return "test" if rank < test else "val" if rank < test + val else "train"
