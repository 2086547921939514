"""Say in a sentence whether a pretraining still learns: from the rows of its metrics."""

from collections.abc import Sequence
from typing import Any

from framegate.ssl.diagnostics import collapse

SETTLED = 0.9
"""Share of neighbours kept from look to look, a twentieth of the run, above which little changes."""

_MOVING = 0.75
_BETTER = 0.005  # of an accuracy or a share, that counts as a gain
_LEAST = 4  # values that say something together


def learning_words(rows: Sequence[dict[str, Any]]) -> str | None:
    """Return a sentence: collapsing and why, still gaining, slowing, or flat since a step; None if too little is known.

    kNN accuracy on held-out frames decides where it was measured, then how far a student agrees with its teacher, else
    which frames are each other's neighbours. As the rate falls to zero at the end of any run everything settles, so
    there only looks at more than half of the highest rate count.

    Args:
        rows: all rows of ``metrics.jsonl``.
    """
    return (
        collapse(rows)
        or _by_height(rows, "knn_leaf", "kNN accuracy")
        or _by_height(rows, "neighbours_shared", "the share of neighbours that the teacher finds, too,")
        or _by_change(rows)
    )


def _by_height(rows: Sequence[dict[str, Any]], name: str, words: str) -> str | None:
    probed = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    if len(probed) < _LEAST:
        return None
    best_step, best = max(probed, key=lambda pair: pair[1])
    late = max(1, len(probed) // 4)
    earlier = max(value for _, value in probed[:-late])
    if best - earlier >= _BETTER and best_step in {step for step, _ in probed[-late:]}:
        return f"Still gaining: {words} was best, {best:.1%}, at step {best_step}; a longer run may gain more."
    since = next(step for step, value in probed if value >= best - _BETTER)
    return f"Flat since step {since}: {words} was {best:.1%} at best, and {probed[-1][1]:.1%} at the end."


def _by_change(rows: Sequence[dict[str, Any]]) -> str | None:
    highest = max((row.get("lr") or 0.0 for row in rows), default=0.0)
    looks = [
        (row["step"], row["neighbours_kept"])
        for row in rows
        if row.get("neighbours_kept") is not None and (row.get("lr") or 0.0) >= highest / 2
    ]
    if len(looks) < _LEAST:
        return None
    kept = sum(value for _, value in looks[-3:]) / 3
    share = f"{kept:.0%} of the nearest neighbours stayed from look to look"
    if kept < _MOVING:
        return f"Still gaining: {share} while the rate was high; a longer run would learn on."
    if kept < SETTLED:
        return f"Slowing: {share} while the rate was high."
    since = next(step for place, (step, _) in enumerate(looks) if all(value >= SETTLED for _, value in looks[place:]))
    return f"Flat since step {since}: {share} although the rate was high; longer runs of this kind gain little."
