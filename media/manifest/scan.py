"""Find the media files in a folder: what each is by its content, and what was skipped and why."""

import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from framegate.media.files import is_plain_file
from framegate.media.manifest.manifest_rows import ManifestError
from framegate.media.manifest.paths import link_out_of
from framegate.media.manifest.signatures import HEAD_BYTES, Kind, is_text, media_kind
from framegate.media.owned import MARKER
from framegate.media.visible import quoted, visible

FoundKind = Kind | Literal["sequence"]

_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_SYSTEM_FOLDERS = {
    *("__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found"),
}
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".filepart", ".!ut", ".!qb", ".aria2", ".tmp")
_VIDEO = """
    .3g2 .3gp .amv .asf .avi .bik .divx .dv .f4v .flv .gxf .ivf .m2ts .m2v .m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mpeg
    .mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .smk .ts .vob .webm .wmv .y4m
"""
_AUDIO = """
    .aac .ac3 .aif .aifc .aiff .amr .ape .au .caf .dts .eac3 .flac .m4a .m4b .mka .mp2 .mp3 .mpc .oga .ogg .opus .ra
    .gsm .snd .tak .tta .voc .w64 .wav .weba .wma .wv
"""
_PICTURE = """
    .apng .avif .bmp .gif .heic .heif .ico .j2k .jfif .jp2 .jpe .jpeg .jpg .jxl .png .tga .tif .tiff .webp
"""
_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys(_VIDEO.split(), "video"),
    **dict.fromkeys(_AUDIO.split(), "audio"),
    **dict.fromkeys(_PICTURE.split(), "picture"),
}
_WORDS: dict[FoundKind, tuple[str, str]] = {
    "video": ("video", "videos"),
    "picture": ("picture", "pictures"),
    "audio": ("sound", "sounds"),
    "sequence": ("folder of pictures", "folders of pictures"),
}
_NAMED = 3  # of what is skipped for one reason, so many are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A media file in a folder, or with ``sequences`` a folder of pictures.

    Attributes:
        path: from the scanned folder, with ``/``; ``.`` for the folder itself.
        kind: what it is.
        target: the resolved file or folder.
    """

    path: str
    kind: FoundKind
    target: Path


@dataclass(slots=True)
class Skipped:
    """What a scan leaves out, by reason, and the first names of each."""

    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str = "") -> None:
        """Count one file or folder; ``name`` is shown if it is among the first."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        if name and len(shown := self.names.setdefault(reason, [])) < _NAMED:
            shown.append(name)


@dataclass(frozen=True, slots=True)
class Scan:
    """The media in a folder, sorted by path, and what was skipped."""

    folder: Path
    found: tuple[Found, ...]
    skipped: Skipped

    def describe(self) -> str:
        """Return one line: how many of which kind were found, and what was skipped."""
        kinds = [found.kind for found in self.found]
        counts = [f"{n} {words[n != 1]}" for kind, words in _WORDS.items() if (n := kinds.count(kind))]
        line = f"{visible(self.folder)}: {', '.join(counts) or 'no media'}"
        if self.skipped.counts:
            line += f"; left out: {', '.join(self._reasons())}"
        return line

    def _reasons(self) -> Iterator[str]:
        for reason, count in self.skipped.counts.items():
            names = self.skipped.names.get(reason, [])
            more = ", …" if names and count > len(names) else ""
            shown = ", ".join(quoted(name, max_characters=40) for name in names)
            yield f"{reason} {count} ({shown}{more})" if names else f"{reason} {count}"


def scan_folder(
    folder: str | Path,
    *,
    sequences: bool = False,
    allow_outside: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Find the media files in ``folder`` and in all folders below it, in the order of their paths.

    A file is judged by its first bytes, not by its name; its name decides only where the bytes are neither text nor
    known, so that a damaged video is a clip that fails and not a file that is passed over. Left out and counted are
    hidden files, what systems and unfinished downloads leave behind, folders that framegate wrote, links out of the
    folder, and files that are no media.

    Args:
        folder: where to look.
        sequences: take each folder that holds pictures as one clip; without it each picture is one.
        allow_outside: follow links that lead out of the folder.
        on_progress: called with the number of files looked at, and of all files.

    Raises:
        ManifestError: the folder cannot be read, or no media are in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ManifestError([f"{visible(root)}: {'not a folder' if root.exists() else 'no such folder'}"])
    skipped = Skipped()
    candidates = sorted(_Walk(root.resolve(), skipped, allow_outside=allow_outside).files(), key=_by_path)
    found: list[Found] = []
    for number, (path, target) in enumerate(candidates, start=1):
        if (kind := _kind_of(path, target, skipped)) is not None:
            found.append(Found(path=path, kind=kind, target=target))
        if on_progress is not None and (number % 100 == 0 or number == len(candidates)):
            on_progress(number, len(candidates))
    if sequences:
        found = _as_sequences(found, root.resolve(), skipped, allow_outside=allow_outside)
    scan = Scan(root, tuple(found), skipped)
    if not found:
        raise ManifestError([scan.describe()])
    return scan


def kind_of_file(path: Path) -> Kind | None:
    """Return what a file is by its first bytes; None for text, for other content, and for what cannot be read."""
    try:
        return media_kind(_head(path))
    except OSError:
        return None


def has_media_suffix(path: Path) -> bool:
    """Tell whether a file is called like a medium."""
    return path.suffix.lower() in _SUFFIXES


def _by_path(item: tuple[str, Path]) -> tuple[str, str]:
    return unicodedata.normalize("NFC", item[0]), item[0]


class _Walk:
    """Lists the files below a folder that may be media, by their names alone."""

    def __init__(self, root: Path, skipped: Skipped, *, allow_outside: bool) -> None:
        self._root = root
        self._skipped = skipped
        self._allow_outside = allow_outside
        self._entered: set[tuple[int, int]] = set()

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the path from the root, and the resolved path, of each file."""
        waiting: list[tuple[str, Path]] = [("", self._root)]
        while waiting:
            prefix, place = waiting.pop()
            for entry in self._entries(prefix, place):
                path = prefix + entry.name
                if self._passes_over(entry, path):
                    continue
                if (target := self._target(entry, path, place)) is None:
                    continue
                if not (target.is_dir() if entry.is_symlink() else entry.is_dir()):
                    yield path, target
                elif self._may_enter(target, path, is_link=entry.is_symlink()):
                    waiting.append((f"{path}/", target))

    def _entries(self, prefix: str, place: Path) -> list[os.DirEntry[str]]:
        try:
            status = place.stat()
            self._entered.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise ManifestError([f"{visible(place)}: {error.strerror or error}"]) from None
            self._skipped.add("folders that cannot be read", prefix)
            return []

    def _passes_over(self, entry: os.DirEntry[str], path: str) -> bool:
        name, lower = entry.name, entry.name.lower()
        if name.startswith("."):
            self._skipped.add("hidden files")
        elif lower in _SYSTEM or lower in _SYSTEM_FOLDERS or name.startswith("~$") or name.endswith("~"):
            self._skipped.add("files of the system")
        elif lower.endswith(_UNFINISHED):
            self._skipped.add("unfinished files", path)
        elif not _is_utf8(name):
            self._skipped.add("names that are not UTF-8", path)
        else:
            return False
        return True

    def _target(self, entry: os.DirEntry[str], path: str, place: Path) -> Path | None:
        """The entry's resolved path; None, and counted, for a link that is not followed."""
        if not entry.is_symlink():
            return place / entry.name
        try:
            target = (place / entry.name).resolve(strict=True)
        except (OSError, RuntimeError):
            self._skipped.add("links that lead nowhere", path)
            return None
        if not _is_utf8(str(target)) or not (self._allow_outside or target.is_relative_to(self._root)):
            self._skipped.add("links out of the folder", path)
            return None
        return target

    def _may_enter(self, folder: Path, path: str, *, is_link: bool) -> bool:
        if is_link and folder.is_relative_to(self._root):
            self._skipped.add("links to folders in it", path)  # whose files are found where they lie
            return False
        status = folder.stat()
        if (status.st_dev, status.st_ino) in self._entered:
            self._skipped.add("links to folders in it", path)
            return False
        if is_work_folder(folder):
            self._skipped.add("folders that framegate wrote", path)
            return False
        return True


def is_work_folder(folder: Path) -> bool:
    """Tell whether a folder is a frame store, a run, or another folder that framegate wrote."""
    has = {name: is_plain_file(folder / name) for name in ("extract.json", MARKER, "config.yaml", "metrics.jsonl")}
    return has["extract.json"] or has[MARKER] or (has["config.yaml"] and has["metrics.jsonl"])


def _kind_of(path: str, target: Path, skipped: Skipped) -> Kind | None:
    likely = _SUFFIXES.get(target.suffix.lower())
    try:
        head = _head(target)
    except OSError:
        if likely is None:
            skipped.add("files that cannot be read", path)
        return likely
    if (kind := media_kind(head)) is not None:
        return kind
    if not head:
        skipped.add("empty files", path)
    elif likely is None or is_text(head):
        skipped.add("no media", path)
    else:
        return likely
    return None


def _head(path: Path) -> bytes:
    """Read the beginning of a file.

    Raises:
        OSError: it cannot be read, or is a device, a pipe or a folder.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe's other end is not waited for
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("not a plain file")
        return file.read(HEAD_BYTES) or b""


def _as_sequences(found: Iterable[Found], root: Path, skipped: Skipped, *, allow_outside: bool) -> list[Found]:
    """Replace the pictures of each folder by one clip."""
    folders: set[str] = set()
    clips: list[Found] = []
    for each in found:
        if each.kind == "picture":
            folders.add(each.path.rpartition("/")[0])
        else:
            clips.append(each)
    for path in folders:
        if not allow_outside and link_out_of(root / path, root) is not None:
            skipped.add("folders of pictures with links out of the folder", path or ".")
        else:
            clips.append(Found(path=path or ".", kind="sequence", target=(root / path).resolve()))
    return sorted(clips, key=lambda clip: _by_path((clip.path, clip.target)))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
