"""Manifests: a CSV or JSONL file that names clips, read with all its errors at once."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from framegate.media.paths import PathError, local_path
from framegate.media.splits import SPLITS, assign_splits

COLUMNS = ("id", "video", "audio", "title", "description", "label", "programme", "split", "start", "end")
NO_AUDIO = "-"
_SURROGATE = re.compile("[\ud800-\udfff]")
_VALID_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One row of a manifest, its paths resolved.

    Attributes:
        video: a video file, an animated picture or a folder of pictures.
        audio: a separate sound file; None means the video's own track, unless `own_audio` is False.
        label: nodes of the taxonomy joined by ``|``; empty where unknown.
        programme: never empty on return: a row without one belongs to its source file.
        split: ``train``, ``val`` or ``test``; never empty on return.
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


class ManifestError(ValueError):
    """Everything that is wrong with a manifest: ``problems``, each ``clips.csv:17: what (nearest: …)``."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def read_manifest(
    path: str | Path,
    *,
    check_label: Callable[[str], str | None] | None = None,
    allow_outside: bool = False,
    seed: int = 0,
) -> list[Clip]:
    """Read a ``.csv`` or ``.jsonl`` manifest.

    Args:
        check_label: told one label, says what is wrong with it, or None.
        allow_outside: accept paths (and links) that lead out of the manifest's folder.
        seed: decides the split of programmes that name none.

    Raises:
        ManifestError: with every bad row, not the first only.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ManifestError([f"{path}: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ManifestError([f"{path}:{line}: not UTF-8 text (byte {error.object[error.start]:#04x})"]) from None

    rows = _csv_rows(path, text) if path.suffix.lower() != ".jsonl" else _jsonl_rows(path, text)
    reader = _RowReader(path, check_label=check_label, allow_outside=allow_outside)
    clips = [clip for line, row in rows if (clip := reader.read(line, row)) is not None]
    if reader.problems:
        raise ManifestError(reader.problems)
    if not clips:
        raise ManifestError([f"{path}: no rows"])
    splits = assign_splits([(clip.programme, clip.split) for clip in clips], seed=seed)
    return [replace(clip, split=split) for clip, split in zip(clips, splits, strict=True)]


def clips_from_files(paths: Iterable[str | Path]) -> list[Clip]:
    """One clip a file, named after it; for calls that have files and no manifest. The split is ``test``.

    Raises:
        ManifestError: a name is not UTF-8: what is written about the clip could not say what it is of.
    """
    files = [Path(path) for path in paths]
    if unnamed := [path for path in files if not _is_utf8(path)]:
        raise ManifestError([f"{str(path)!a}: its name is not UTF-8: rename it" for path in unnamed])
    clips: list[Clip] = []
    used: set[str] = set()
    for path in files:
        name = _free_id(_nearest_id(path.name if path.is_dir() else path.stem), used)
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
    """The labels that a manifest's or a store's ``label`` names, joined there by ``|``; none of an empty one."""
    return [each for part in label.split("|") if (each := part.strip())]


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, object]]]:
    lines = csv.reader(text.splitlines(keepends=True), strict=True)
    header: list[str] | None = None
    first_line = 1
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            raise ManifestError([f"{path}:{first_line}: not CSV: {error}"]) from None
        if cells is None:
            break
        line, first_line = first_line, lines.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            _check_header(path, line, header)
        elif len(cells) > len(header):
            yield line, {"": f"{len(cells)} cells under a header of {len(header)}"}
        else:
            yield line, dict(zip(header, cells, strict=False))
    if header is None:
        raise ManifestError([f"{path}: empty; the first line names the columns: {', '.join(COLUMNS)}"])


def _check_header(path: Path, line: int, header: list[str]) -> None:
    problems = [f"{path}:{line}: column {name!r} twice" for name in sorted({n for n in header if header.count(n) > 1})]
    if "id" not in header:
        nearest = get_close_matches("id", [name.lower() for name in header], n=1, cutoff=0.0)
        problems.append(f"{path}:{line}: no column 'id' (nearest: {(nearest or ['id'])[0]!r})")
    if problems:
        raise ManifestError(problems)


def _jsonl_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, object]]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            yield line, {"": f"not JSON: {error.msg} at column {error.colno}"}
            continue
        yield line, row if isinstance(row, dict) else {"": "not a JSON object"}


class _RowReader:
    """Turns rows into clips and collects what is wrong with them."""

    def __init__(self, path: Path, *, check_label: Callable[[str], str | None] | None, allow_outside: bool) -> None:
        self.problems: list[str] = []
        self._path = path
        self._folder = path.parent.resolve()
        self._check_label = check_label
        self._allow_outside = allow_outside
        self._line_of: dict[str, int] = {}

    def read(self, line: int, row: dict[str, object]) -> Clip | None:
        """The clip of one row; None where the row has errors, which are noted."""
        known = len(self.problems)
        if row.get(""):
            self._note(line, str(row[""]))
            return None
        text = {name: _as_text(value) for name, value in row.items()}
        for name, value in text.items():
            if _SURROGATE.search(name + value):  # JSON can spell it, no file can hold it
                self._note(line, f"column {name!r} holds {value!r}: half of a surrogate pair is no character")
        clip = Clip(
            id=self._id(line, text.get("id", "")),
            video=self._local(line, "video", text.get("video", "")),
            audio=None if text.get("audio") == NO_AUDIO else self._local(line, "audio", text.get("audio", "")),
            own_audio=text.get("audio") != NO_AUDIO,
            title=text.get("title", ""),
            description=text.get("description", ""),
            label=self._label(line, text.get("label", "")),
            programme=text.get("programme") or text.get("video") or self._own_programme(text),
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
        self.problems.append(f"{self._path}:{line}: {what}")

    @staticmethod
    def _own_programme(text: dict[str, str]) -> str:
        audio = text.get("audio", "")
        return text.get("id", "") if audio in ("", NO_AUDIO) else audio

    def _id(self, line: int, name: str) -> str:
        if not _VALID_ID.fullmatch(name):
            what = f"id {name!r} is not made of 1 to 128 letters, digits, '_', '.', '-'" if name else "no id"
            self._note(line, f"{what} (nearest: {_free_id(_nearest_id(name), self._line_of)!r})")
        elif name in self._line_of:
            free = _free_id(name, self._line_of)
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
            self._note(line, f"{column} {value!r} {problem}")
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
            nearest = get_close_matches(split.lower(), SPLITS, n=1, cutoff=0.0)[0]
            self._note(line, f"unknown split {split!r} (nearest: {nearest!r})")
        return split

    def _seconds(self, line: int, column: str, value: str) -> float | None:
        if not value:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0):
            nearest = f"{abs(seconds):g}" if math.isfinite(seconds) else "12.5"
            self._note(line, f"{column} {value!r} is not a number of seconds from 0 on (nearest: {nearest})")
            return None
        return seconds


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):  # several labels, in JSONL
        return "|".join(map(str, value))
    return str(value).strip()


def _nearest_id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:128].strip("_") or "clip"


def _free_id(name: str, used: Iterable[str]) -> str:
    taken = set(used)
    candidates = (f"{name[:120]}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(candidate for candidate in candidates if candidate not in taken)
