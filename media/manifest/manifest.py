"""Manifests: a CSV or JSONL file that names clips, read with all its errors at once."""

import math
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from framegate.media.manifest.manifest_rows import COLUMNS, ManifestError, RowProblem, read_rows
from framegate.media.manifest.paths import PathError, local_path
from framegate.media.manifest.splits import SPLITS, assign_splits
from framegate.media.nearest import Nearest
from framegate.media.visible import quoted, visible

NO_AUDIO = "-"
_VALID_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One row of a manifest, with resolved paths.

    Attributes:
        id: 1 to 128 letters, digits, ``_``, ``.`` or ``-``; unique.
        video: a video file, an animated picture or a folder of pictures.
        audio: a separate audio file; None means the audio track of ``video``, unless ``own_audio`` is False.
        own_audio: whether the audio track of ``video`` counts.
        title, description: text in any language; may be empty.
        label: nodes of the taxonomy joined by ``|``; empty where unknown.
        programme: never empty after `read_manifest`: a row without one belongs to its source file.
        split: ``train``, ``val`` or ``test``; never empty after `read_manifest`, unless it was told so.
        start, end: seconds of the source; None means its beginning, its end.
        extra: columns that framegate does not know, passed through to predictions.
        line: the row's first line in the manifest, counted from 1; 0 for a clip that comes from no manifest.
    """

    id: str
    video: Path | None = None
    audio: Path | None = None
    own_audio: bool = True
    title: str = ""
    description: str = ""
    label: str = ""
    programme: str = ""
    split: str = ""
    start: float | None = None
    end: float | None = None
    extra: dict[str, str] = field(default_factory=dict)
    line: int = 0


def read_manifest(
    path: str | Path,
    *,
    check_label: Callable[[str], str | None] | None = None,
    allow_outside: bool = False,
    seed: int = 0,
    fill_splits: bool = True,
) -> list[Clip]:
    """Read a ``.csv`` or ``.jsonl`` manifest.

    Args:
        check_label: takes one label; returns what is wrong with it, or None.
        allow_outside: accept paths (and links) that lead out of the manifest's folder.
        seed: decides the split of programmes that name none.
        fill_splits: decide them now; otherwise they stay empty, for `extract` with ``split_seed``.

    Returns:
        The clips in the order of the rows.

    Raises:
        ManifestError: the file or some rows are wrong; it names every bad row.
    """
    path = Path(path)
    reader = _RowReader(path, check_label=check_label, allow_outside=allow_outside)
    clips = [clip for line, text in read_rows(path) if (clip := reader.read(line, text)) is not None]
    if reader.problems:
        raise ManifestError(reader.problems)
    if not clips:
        raise ManifestError([f"{visible(path)}: no rows"])
    if not fill_splits:
        return clips
    splits = assign_splits([(clip.programme, clip.split) for clip in clips], seed=seed)
    return [replace(clip, split=split) for clip, split in zip(clips, splits, strict=True)]


def clips_from_files(paths: Iterable[str | Path]) -> list[Clip]:
    """Return one clip for each file, for calls without a manifest.

    Ids are made from the file names; the split is ``test``.

    Raises:
        ManifestError: a file name is not UTF-8, so that no result could name the file.
    """
    files = [Path(path) for path in paths]
    if unnamed := [path for path in files if not _is_utf8(path)]:
        raise ManifestError([f"{str(path)!a}: its name is not UTF-8: rename it" for path in unnamed])
    clips: list[Clip] = []
    used: set[str] = set()
    free = _FreeIds(used)
    for path in files:
        name = free.like(_nearest_id(path.name if path.is_dir() else path.stem))
        used.add(name)
        clips.append(Clip(id=name, video=path.resolve(), programme=path.name, split="test"))
    return clips


def _is_utf8(path: Path) -> bool:
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        return False
    return True


def split_labels(label: str) -> list[str]:
    """Return the labels that are joined by ``|`` in a ``label`` of a manifest or a store.

    >>> split_labels("news/weather | sport"), split_labels("")
    (['news/weather', 'sport'], [])
    """
    return [each for part in label.split("|") if (each := part.strip())]


class _RowReader:
    """Turns rows into clips and collects what is wrong with them."""

    def __init__(self, path: Path, *, check_label: Callable[[str], str | None] | None, allow_outside: bool) -> None:
        self.problems: list[str] = []
        self._place = visible(path)
        self._folder = path.parent.resolve()
        self._check_label = check_label
        self._allow_outside = allow_outside
        self._line_of: dict[str, int] = {}
        self._free = _FreeIds(self._line_of)
        self._splits = Nearest(SPLITS)

    def read(self, line: int, text: dict[str, str] | RowProblem) -> Clip | None:
        """Return the clip of one row; None if the row has errors, which are added to ``problems``."""
        known = len(self.problems)
        if isinstance(text, RowProblem):
            self._note(line, text.what)
            return None
        clip = Clip(
            id=self._id(line, text.get("id", "")),
            video=self._local(line, "video", text.get("video", "")),
            audio=None if text.get("audio") == NO_AUDIO else self._local(line, "audio", text.get("audio", "")),
            own_audio=text.get("audio") != NO_AUDIO,
            title=text.get("title", ""),
            description=text.get("description", ""),
            label=self._label(line, text.get("label", "")),
            programme=text.get("programme") or text.get("video") or self._programme_of_audio(text),
            split=self._split(line, text.get("split", "")),
            start=self._seconds(line, "start", text.get("start", "")),
            end=self._seconds(line, "end", text.get("end", "")),
            extra={name: value for name, value in text.items() if name not in COLUMNS},
            line=line,
        )
        if clip.end is not None and clip.end <= (clip.start or 0.0):
            self._note(line, f"end {clip.end:g} is not after start {clip.start or 0:g} (nearest: end above the start)")
        if len(self.problems) == known and not (clip.video or clip.audio or clip.title or clip.description):
            self._note(line, "a row needs a video, an audio, a title or a description")
        return clip if len(self.problems) == known else None

    def _note(self, line: int, what: str) -> None:
        self.problems.append(f"{self._place}:{line}: {what}")

    @staticmethod
    def _programme_of_audio(text: dict[str, str]) -> str:
        audio = text.get("audio", "")
        return text.get("id", "") if audio in ("", NO_AUDIO) else audio

    def _id(self, line: int, name: str) -> str:
        if not _VALID_ID.fullmatch(name):
            what = f"id {quoted(name)} is not made of 1 to 128 letters, digits, '_', '.', '-'" if name else "no id"
            self._note(line, f"{what} (nearest: {self._free.like(_nearest_id(name))!r})")
        elif name in self._line_of:
            free = self._free.like(name)
            self._note(line, f"duplicate id {name!r}, first on line {self._line_of[name]} (nearest: {free!r})")
        else:
            self._line_of[name] = line
        return name

    def _local(self, line: int, column: str, value: str) -> Path | None:
        if not value:
            return None
        try:
            return local_path(value, folder=self._folder, allow_outside=self._allow_outside)
        except PathError as problem:
            self._note(line, f"{column} {quoted(value)} {problem}")
            return None

    def _label(self, line: int, label: str) -> str:
        labels = split_labels(label)
        if self._check_label is not None:
            for each in labels:
                if wrong := self._check_label(each):
                    self._note(line, wrong)
        return "|".join(labels)

    def _split(self, line: int, split: str) -> str:
        if split and split not in SPLITS:
            self._note(line, f"unknown split {quoted(split)} {self._splits.hint(split.lower())}")
        return split

    def _seconds(self, line: int, column: str, value: str) -> float | None:
        if not value:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0):
            like = f"{abs(seconds):g}" if math.isfinite(seconds) else "12.5"
            self._note(line, f"{column} {quoted(value)} is not a number of seconds from 0 on (nearest: {like})")
            return None
        return seconds


def _nearest_id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name[:1000])[:128].strip("_") or "clip"


class _FreeIds:
    """Finds ids that are not ``used``, which may only grow: numbers that were taken once are not tried again."""

    def __init__(self, used: Container[str]) -> None:
        self._used = used
        self._next: dict[str, int] = {}

    def like(self, name: str) -> str:
        """Return ``name`` if it is free, else it with the first free number from 2 on at its end."""
        if name not in self._used:
            return name
        stem = name[:120]
        number = self._next.get(stem, 2)
        while f"{stem}-{number}" in self._used:
            number += 1
        self._next[stem] = number
        return f"{stem}-{number}"
