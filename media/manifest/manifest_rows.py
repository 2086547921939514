"""The rows of a manifest: which columns it knows, which it needs, and which seem to be meant for them."""

import logging
from pathlib import Path

from framegate.media.errors import ProblemsError
from framegate.media.manifest.tables.column_names import ColumnNames, plain_name
from framegate.media.manifest.tables.reading import read_table
from framegate.media.manifest.tables.table import Table, TableLimits
from framegate.media.visible import quoted, visible

_LOG = logging.getLogger(__name__)

COLUMNS = ("id", "video", "audio", "title", "description", "label", "programme", "split", "start", "end")
CONTENT = ("video", "audio", "title", "description")
"""The columns of which a row needs one."""

_FILE_NAMES = (
    *("file", "filename", "file_name", "filepath", "file_path", "path", "video_path", "video_file", "video_filename"),
    *("videos", "videopath", "video_name", "clip_path", "media_path"),
)
"""Names of columns that hold a clip's file, and nothing else."""

NAMES = ColumnNames(
    COLUMNS,
    others={
        "id": ("clip_id", "video_id", "uid", "uuid", "key", "name", "clip", "index", "no", "nr", "#"),
        "video": (
            *_FILE_NAMES,
            "media",
            "clip",
            "url",
            "uri",
            "src",
            "source",
            "image",
            "picture",
            "folder",
            "location",
        ),
        "audio": ("audio_path", "audio_file", "sound", "wav", "soundtrack"),
        "title": ("headline", "caption", "heading"),
        "description": ("desc", "text", "summary", "transcript", "synopsis", "abstract"),
        "label": (
            "labels",
            "class",
            "category",
            "class_name",
            "categories",
            "classes",
            "tag",
            "tags",
            "genre",
            "target",
        ),
        "programme": ("program", "show", "series", "programm"),
        "split": ("subset", "set", "partition", "fold", "splits"),
        "start": ("begin", "start_time", "start_seconds", "start_sec", "t_start", "from"),
        "end": ("stop", "end_time", "end_seconds", "end_sec", "t_end", "to", "until"),
    },
)

_LIMITS = TableLimits(advice="give it in several files")
_MAX_SHOWN = 120


class ManifestError(ProblemsError):
    """Raised with everything that is wrong with a manifest; each problem reads ``clips.csv:17: what (nearest: …)``."""


def place_of(path: Path) -> str:
    """Return what messages call a file: its path, of a long one the end."""
    shown = visible(path)
    return shown if len(shown) <= _MAX_SHOWN else f"…{shown[1 - _MAX_SHOWN :]}"


def open_manifest(path: Path, *, encoding: str | None = None) -> Table:
    """Open a manifest of any kind of table; a row has at most 1,000 columns and 1,000,000 characters, a value 100,000.

    Raises:
        EncodingError: ``encoding`` is none.
        TableError: the file as a whole cannot be read; it may be raised while the rows are iterated, too.
    """
    return read_table(path, NAMES, place=place_of(path), encoding=encoding, limits=_LIMITS)


def check_columns(columns: dict[str, None], *, place: str) -> None:
    """Refuse a manifest that lacks a column which it needs, and warn of columns that seem to be meant for others.

    Raises:
        ManifestError: there is no ``id``, no column that a row needs one of, or files in a column of another name.
    """
    if lacks := NAMES.lacks(columns, ["id"]):
        raise ManifestError([f"{place}:1: {lacks}"])
    meant = NAMES.meant(columns)
    shown = {known: quoted(name, max_characters=40) for known, name in meant.items()}
    if not any(name in columns for name in CONTENT):
        hints = [f"nearest: {shown[name]}, if it is the {name} call it {name!r}" for name in CONTENT if name in meant]
        hint = f" ({hints[0]})" if hints else ""
        raise ManifestError([f"{place}:1: the header has none of {', '.join(CONTENT)}: a clip needs one of them{hint}"])
    if "video" in meant and "audio" not in columns and plain_name(meant["video"]) in _FILE_NAMES:
        what = (
            f"no column 'video', but {shown['video']}: call it 'video', or if it names no clips, give it another name"
        )
        raise ManifestError([f"{place}:1: {what}"])
    for known, name in shown.items():
        _LOG.warning(
            "%s:1: column %s only passes through to predictions: is it the %s? Then call it %r",
            place,
            name,
            known,
            known,
        )
