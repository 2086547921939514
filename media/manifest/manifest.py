"""Manifests: a table that names clips, read with all its errors at once."""

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from framegate.media.manifest.ids import FreeIds, is_valid_id, nearest_id
from framegate.media.manifest.manifest_rows import COLUMNS, ManifestError, check_columns, open_manifest, place_of
from framegate.media.manifest.paths import LocalPaths, PathError
from framegate.media.manifest.seconds import nearest_seconds
from framegate.media.manifest.splits import SPLITS, assign_splits
from framegate.media.manifest.tables.table import RowProblem, TableError
from framegate.media.nearest import Nearest
from framegate.media.visible import quoted, short_line

NO_AUDIO = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One row of a manifest, with resolved paths.

    Attributes:
        id: 1 to 128 letters of any script, digits, ``_``, ``.`` or ``-``; unique.
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
        file: the path of ``video``, or without one of ``audio``, as the manifest or the call names it; predictions and
            failures carry it.
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
    file: str = ""


def read_manifest(
    path: str | Path,
    *,
    check_label: Callable[[str], str | None] | None = None,
    allow_outside: bool = False,
    seed: int = 0,
    encoding: str | None = None,
    fill_splits: bool = True,
) -> list[Clip]:
    """Read a manifest: ``.csv`` (commas, semicolons or tabs), ``.jsonl``, ``.json``, ``.xlsx`` or ``.parquet``.

    A column that seems to be meant for an absent one (``category`` for ``label``) is warned of.

    Args:
        check_label: takes one label; returns what is wrong with it, or None.
        allow_outside: accept paths (and links) that lead out of the manifest's folder.
        seed: decides the split of programmes that name none.
        encoding: how text is read that has no mark and is no UTF-8, such as ``shift_jis``; None: it is refused.
        fill_splits: decide them now; otherwise they stay empty, for `extract` with ``split_seed``.

    Returns:
        The clips in the order of the rows.

    Raises:
        EncodingError: ``encoding`` is none.
        ManifestError: the file or some rows are wrong; it names every bad row.
    """
    path = Path(path)
    place = place_of(path)
    try:
        table = open_manifest(path, encoding=encoding)
        reader = _RowReader(
            path, check_label=check_label, allow_outside=allow_outside, decimal_comma=table.decimal_comma
        )
        clips = [clip for line, text in table.rows if (clip := reader.read(line, text)) is not None]
    except TableError as error:
        raise ManifestError(error.problems) from None
    if table.columns:
        check_columns(table.columns, place=place)
    if reader.problems:
        raise ManifestError(reader.problems)
    if not clips:
        raise ManifestError([f"{place}: no rows: write one for each clip below the header"])
    if not fill_splits:
        return clips
    splits = assign_splits([(clip.programme, clip.split) for clip in clips], seed=seed)
    return [replace(clip, split=split) for clip, split in zip(clips, splits, strict=True)]


def split_labels(label: str) -> list[str]:
    """Return the labels that are joined by ``|`` in a ``label`` of a manifest or a store.

    >>> split_labels("news/weather | sport"), split_labels("")
    (['news/weather', 'sport'], [])
    """
    return [each for part in label.split("|") if (each := part.strip())]


class _RowReader:
    """Turns rows into clips and collects what is wrong with them."""

    def __init__(
        self, path: Path, *, check_label: Callable[[str], str | None] | None, allow_outside: bool, decimal_comma: bool
    ) -> None:
        self.problems: list[str] = []
        self._place = place_of(path)
        self._paths = LocalPaths(path.parent.resolve(), allow_outside=allow_outside)
        self._check_label = check_label
        self._decimal_comma = decimal_comma
        self._line_of: dict[str, int] = {}
        self._free = FreeIds(self._line_of)
        self._splits = Nearest(SPLITS)

    def read(self, line: int, text: dict[str, str] | RowProblem) -> Clip | None:
        """Return the clip of one row; None if the row has errors, which are added to ``problems``."""
        known = len(self.problems)
        if isinstance(text, RowProblem):
            self._note(line, text.what)
            return None
        cell = {name: text.get(name, "").strip() for name in COLUMNS}
        own_audio = cell["audio"] != NO_AUDIO
        clip = Clip(
            id=self._id(line, cell["id"]),
            video=self._local(line, "video", text.get("video", "")),
            audio=self._local(line, "audio", text.get("audio", "")) if own_audio else None,
            own_audio=own_audio,
            title=text.get("title", ""),
            description=text.get("description", ""),
            label=self._label(line, cell["label"]),
            programme=_composed(cell["programme"] or cell["video"] or self._programme_of_audio(cell)),
            split=self._split(line, cell["split"]),
            start=self._seconds(line, "start", cell["start"]),
            end=self._seconds(line, "end", cell["end"]),
            extra={name: value for name, value in text.items() if name not in COLUMNS},
            line=line,
            file=text.get("video") or ("" if text.get("audio") == NO_AUDIO else text.get("audio", "")),
        )
        if clip.end is not None and clip.end <= (clip.start or 0.0):
            self._note(line, f"end {clip.end:g} is not after start {clip.start or 0:g} (nearest: end above the start)")
        if len(self.problems) == known and not (clip.video or clip.audio or clip.title or clip.description):
            self._note(line, "a row needs a video, an audio, a title or a description")
        return clip if len(self.problems) == known else None

    def _note(self, line: int, what: str) -> None:
        self.problems.append(short_line(f"{self._place}:{line}: {what}"))

    @staticmethod
    def _programme_of_audio(cell: dict[str, str]) -> str:
        return cell["id"] if cell["audio"] in ("", NO_AUDIO) else cell["audio"]

    def _id(self, line: int, name: str) -> str:
        if not is_valid_id(name):
            shown = quoted(name, max_characters=40)
            what = f"id {shown} is not made of 1 to 128 letters, digits, '_', '.', '-'" if name else "no id"
            near = quoted(self._free.like(nearest_id(name)), max_characters=60)
            self._note(line, f"{what} (nearest: {near})")
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
            return self._paths.find(value)
        except PathError as problem:
            self._note(line, f"{column} {quoted(value)} {problem}")
            return None

    def _label(self, line: int, label: str) -> str:
        labels = split_labels(_composed(label))
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
            seconds = float(value.replace(",", ".") if self._decimal_comma and "." not in value else value)
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0):
            like = f"{abs(seconds):g}" if math.isfinite(seconds) else nearest_seconds(value)
            self._note(line, f"{column} {quoted(value)} is not a number of seconds from 0 on (nearest: {like})")
            return None
        return seconds


def _composed(text: str) -> str:
    """Return ``text`` in Unicode's normal form C, so that one name has one spelling."""
    return unicodedata.normalize("NFC", text)
