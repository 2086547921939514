"""Check what an extraction would read, without reading it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from framegate.media import Clip, split_labels
from framegate.media.manifest.missing import unusable
from framegate.media.visible import quoted, short_line
from framegate.recipes.reports.results import Result

_SHOWN = 20


def check_clips(clips: Sequence[Clip], *, manifest: Path) -> Result:
    """Open each file that ``clips`` name, decode nothing, and count what an extraction would find.

    Returns:
        Values ``rows``; ``ok``, ``partial`` and ``failed`` (rows of which all, some or no files can be opened); counts
        of ``splits``, ``labels`` and ``programmes``; ``missing``, one object for each file that cannot be opened.
    """
    why: dict[Path, str | None] = {}
    missing: list[dict[str, str]] = []
    outcome: Counter[str] = Counter()
    for clip in clips:
        files = [path for path in (clip.video, clip.audio) if path is not None]
        for path in files:
            if path not in why:
                why[path] = unusable(path)
            if (error := why[path]) is not None:
                missing.append({"id": clip.id, "path": str(path), "error": error})
        lost = sum(why[path] is not None for path in files)
        outcome["ok" if not lost else "failed" if lost == len(files) else "partial"] += 1
    labels = Counter(label for clip in clips for label in split_labels(clip.label))
    splits = Counter(clip.split for clip in clips)
    values = {
        "rows": len(clips),
        **{name: outcome[name] for name in ("ok", "partial", "failed")},
        "splits": {name: splits[name] for name in ("train", "val", "test")},
        "labels": dict(labels.most_common()),
        "labelled": sum(bool(clip.label) for clip in clips),
        "programmes": len({clip.programme for clip in clips}),
        "missing": missing,
    }
    return Result(values, "\n".join([*_lines(values, labels), *_missing_lines(missing, manifest=manifest)]))


def _lines(values: dict[str, object], labels: Counter[str]) -> list[str]:
    splits = values["splits"]
    assert isinstance(splits, dict)
    often = ", ".join(f"{quoted(label, max_characters=40)} {count}" for label, count in labels.most_common(5))
    return [
        f"{values['rows']} rows: all files of {values['ok']} can be opened, some of {values['partial']}, "
        f"none of {values['failed']}; nothing was decoded or written",
        f"splits: {', '.join(f'{name} {count}' for name, count in splits.items())}; {values['programmes']} programmes",
        f"labels: {values['labelled']} rows have one, {len(labels)} in all"
        + (f"; most often {often}" if often else ""),
    ]


def _missing_lines(missing: Sequence[dict[str, str]], *, manifest: Path) -> list[str]:
    lines = [
        short_line(f"{each['id']}: {quoted(each['path'], max_characters=120)}: {each['error']}") for each in missing
    ]
    more = len(lines) - _SHOWN
    return lines[:_SHOWN] + (
        [f"and {more} more files that cannot be opened (--json FILE lists all)"] if more > 0 else []
    )
