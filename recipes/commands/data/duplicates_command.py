"""Report clips of a store that are re-uploads of one another, those across splits first."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from framegate.media import FrameStore, split_labels
from framegate.media.store.duplicates import Duplicate, find_duplicates, group_duplicates
from framegate.recipes.reports.results import Result, table
from framegate.recipes.training.progress import WorkProgress

_SHOWN = 30
_COLUMNS = ("id", "source", "programme", "split", "label")


def report_duplicates(path: str | Path) -> Result:
    """Find the re-uploads in a store: pairs across splits first, then those whose labels differ, then by score.

    Raises:
        MediaError: there is no store, or it is damaged.
    """
    store = FrameStore(path)
    clips: list[dict[str, Any]] = store.videos.select(_COLUMNS).to_pylist()
    found = _find(store)
    pairs = [_told(pair, clips) for pair in found]
    pairs.sort(key=lambda pair: (not pair["across_splits"], not pair["labels_differ"], -pair["score"]))
    groups = [[clips[row]["id"] for row in rows] for rows in group_duplicates(found, len(clips))]
    values = {
        "clips": len(clips),
        "without_frames": sum(frames == 0 for frames in store.videos["frames"].to_pylist()),
        "across_splits": sum(pair["across_splits"] for pair in pairs),
        "labels_differ": sum(pair["labels_differ"] for pair in pairs),
        "leaks": _count_leaks(found, clips),
        "pairs": pairs,
        "groups": groups,
    }
    return Result(values, "\n".join(_lines(values, Path(path))))


def leaking_clips(path: Path) -> dict[str, int]:
    """Count the clips of ``val`` and ``test`` that are re-uploads of clips in ``train``; without any: no entry."""
    store = FrameStore(path)
    return _count_leaks(_find(store), store.videos.select(_COLUMNS).to_pylist())


def _find(store: FrameStore) -> list[Duplicate]:
    with WorkProgress("duplicates", total=len(store)) as progress:
        return find_duplicates(store, on_progress=progress.update)


def leak_warning(leaks: dict[str, int], store: Path) -> str:
    """Say in one sentence what `leaking_clips` has found, and what to do."""
    counts = " and ".join(f"{count} {'clip' if count == 1 else 'clips'} of {split}" for split, count in leaks.items())
    verb = "is a re-upload" if sum(leaks.values()) == 1 else "are re-uploads"
    return (
        f"warning: {counts} {verb} of clips in train, so figures would be better than the model is. "
        f"They are named by: framegate duplicates {store}; extract --split by-duplicates keeps them on one side"
    )


def _count_leaks(pairs: Iterable[Duplicate], clips: list[dict[str, Any]]) -> dict[str, int]:
    leaking: dict[str, set[int]] = {"val": set(), "test": set()}
    for pair in pairs:
        for row, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if clips[other]["split"] == "train" and clips[row]["split"] in leaking:
                leaking[clips[row]["split"]].add(row)
    return {split: len(rows) for split, rows in leaking.items() if rows}


def _told(pair: Duplicate, clips: list[dict[str, Any]]) -> dict[str, Any]:
    sides = [_side(clips[row]) for row in (pair.first, pair.second)]
    labels = [set(split_labels(side["label"])) for side in sides]
    return {
        "first": sides[0],
        "second": sides[1],
        "kind": pair.kind,
        "score": round(pair.score, 3),
        "offset": pair.offset,
        "mirrored": pair.mirrored,
        "across_splits": sides[0]["split"] != sides[1]["split"],
        "labels_differ": bool(labels[0] and labels[1]) and labels[0] != labels[1],
    }


def _side(clip: dict[str, Any]) -> dict[str, Any]:
    return {"video" if name == "source" else name: value for name, value in clip.items()}


def _lines(values: dict[str, Any], store: Path) -> Iterable[str]:
    pairs, groups = values["pairs"], values["groups"]
    if values["without_frames"]:
        yield f"{values['without_frames']} of {values['clips']} clips have no frames, and are not compared"
    if not pairs:
        yield f"{store}: no re-uploads among {values['clips']} clips"
        return
    rows = [
        [
            f"{pair['first']['id']} ({pair['first']['split'] or '-'})",
            f"{pair['second']['id']} ({pair['second']['split'] or '-'})",
            f"{pair['score']:.2f}",
            f"{pair['offset']:+.1f} s",
            ", ".join(_remarks(pair)),
        ]
        for pair in pairs[:_SHOWN]
    ]
    yield table(["clip (split)", "re-upload (split)", "score", "offset", "remarks"], rows)
    if len(pairs) > _SHOWN:
        yield f"and {len(pairs) - _SHOWN} more: --json FILE has them all"
    largest = max(map(len, groups))
    yield (
        f"{store}: {len(pairs)} pairs in {len(groups)} groups, the largest of {largest} clips; "
        f"{values['across_splits']} pairs across splits, {values['labels_differ']} with different labels"
    )
    if values["leaks"]:
        yield leak_warning(values["leaks"], store)


def _remarks(pair: dict[str, Any]) -> Iterable[str]:
    if pair["across_splits"]:
        yield "across splits"
    if pair["labels_differ"]:
        yield "labels differ"
    if pair["mirrored"]:
        yield "mirrored"
    if pair["kind"] == "cut":
        yield "cuts of one file"
