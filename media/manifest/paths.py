"""Check the paths in a manifest: local files inside its folder."""

import errno
import os
import re
import stat
import unicodedata
from pathlib import Path

from framegate.media.errors import FramegateError
from framegate.media.visible import quoted

_ADDRESS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://|(async|cache|concatf?|crypto|file|https?|md5):\S|(fd|pipe):\d*$|data:[\w.+-]+/|subfile[:,]"
)
"""``name://…``, or a protocol of FFmpeg; ``News: part 1.mp4`` is a file's name, and so is ``C:\\clips``."""

_MAX_ENTRIES = 1_000_000
"""Entries of a folder that are read to find a name in another normal form."""


class PathError(FramegateError, ValueError):
    """Raised for a path that is refused; the message completes a sentence that begins with the path."""


class LocalPaths:
    """Finds the files that a manifest names; what it learns of folders serves the next names.

    Args:
        folder: the manifest's folder, resolved.
        allow_outside: accept paths and links that lead out of ``folder``.
    """

    def __init__(self, folder: Path, *, allow_outside: bool = False) -> None:
        self._folder = folder
        self._allow_outside = allow_outside
        self._astray: dict[Path, str | None] = {}
        self._spellings: dict[Path, dict[str, str]] = {}
        self._parents: dict[Path, tuple[Path, bool]] = {}

    def find(self, value: str) -> Path:
        """Return the resolved path of ``value``; the file need not exist or be readable.

        A file that is there as it is written is taken; else one without the space around the name; else one whose name
        is equal in another Unicode normal form: macOS writes ``é`` as two characters, most others as one.

        Args:
            value: a path, relative to the manifest's folder or absolute.

        Raises:
            PathError: for addresses (``http://…``, ``concat:…``), devices and pipes, and, unless ``allow_outside``, for
                what lies outside ``folder`` once ``..`` and links are followed.
        """
        if "\0" in value:
            raise PathError("holds a NUL character")
        path, status = self._existing(value)
        if status is None and _ADDRESS.match(value.strip()):
            raise PathError(f"is an address, not a local file (nearest: {quoted(_file_part(value))})")
        resolved, inside = self._resolved(path, exists=status is not None)
        status = status or _status(resolved)  # ``missing/../x`` is x
        if not self._allow_outside and not inside:
            raise PathError(
                f"leads out of the manifest's folder (nearest: {quoted(resolved.name)}; --allow-outside accepts it)"
            )
        if status and stat.S_ISDIR(status.st_mode) and not self._allow_outside:
            if resolved not in self._astray:
                self._astray[resolved] = link_out_of(resolved, self._folder)
            if astray := self._astray[resolved]:
                raise PathError(
                    f"holds a link out of the manifest's folder (nearest: without {quoted(astray)}, or --allow-outside)"
                )
        if status and not _is_plain(status):
            raise PathError("is a device or a pipe, not a file (nearest: a file or a folder of pictures)")
        return resolved

    def _resolved(self, path: Path, *, exists: bool) -> tuple[Path, bool]:
        """Return the path without links and ``..``, and whether it lies in the manifest's folder.

        Folders are resolved once: that is most of the time which a manifest takes.
        """
        if path.name and path.name != "..":
            parent = path.parent
            if parent not in self._parents:
                found = _resolve(parent, exists=_status(parent) is not None)
                self._parents[parent] = found, found.is_relative_to(self._folder)
            found, inside = self._parents[parent]
            if not _is_link(found / path.name):
                return found / path.name, inside
        resolved = _resolve(path, exists=exists)
        return resolved, resolved.is_relative_to(self._folder)

    def _existing(self, value: str) -> tuple[Path, os.stat_result | None]:
        """Return the path that ``value`` means, and its status; None if there is no such file."""
        path = self._folder / value
        if (status := _status(path)) is not None:
            return path, status
        stripped = value.strip()
        path = self._folder / stripped
        if stripped != value and (status := _status(path)) is not None:
            return path, status
        if not stripped.isascii() and (spelt := self._spelt(Path(stripped))) is not None:
            return spelt, _status(spelt)
        return path, None

    def _spelt(self, path: Path) -> Path | None:
        """Return the path that is equal to ``path`` in normal form C and exists, or None."""
        found = self._folder / path.anchor
        for part in path.parts[1:] if path.anchor else path.parts:
            following = found / part
            if part != ".." and _status(following) is None:
                if part.isascii() or (spelling := self._entries(found).get(_composed(part))) is None:
                    return None
                following = found / spelling
            found = following
        return found

    def _entries(self, folder: Path) -> dict[str, str]:
        """Return the names beyond ASCII in ``folder``, each by its normal form C."""
        if folder not in self._spellings:
            try:
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry, _ in zip(entries, range(_MAX_ENTRIES), strict=False))
            except OSError:
                names = []
            self._spellings[folder] = {_composed(name): name for name in names if not name.isascii()}
        return self._spellings[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def stays_inside(path: Path, folder: Path) -> bool:
    """Tell whether ``path`` lies in ``folder`` after all links are followed.

    The hub's cache keeps a repository's files in ``blobs`` and links to them from ``snapshots/REVISION``: these count
    as inside.
    """
    if path.parent == folder and not path.is_symlink():
        return True
    target, home = path.resolve(), folder.resolve()
    return any(target.is_relative_to(place) for place in (home, *_blobs_of(home)))


def _blobs_of(folder: Path) -> list[Path]:
    return [
        place.parent.parent / "blobs"
        for place in (folder, *folder.parents)
        if place.parent.name == "snapshots" and place.parent.parent.name.startswith(("models--", "datasets--"))
    ]


def _resolve(path: Path, *, exists: bool) -> Path:
    """Return the path without links and ``..``.

    Raises:
        PathError: links lead round in a circle.
    """
    try:
        resolved = path.resolve()
        # Python before 3.13 leaves as it is what comes after such a circle: of ``circle/../x`` it makes ``x``, and does
        # not follow that further if it is a link. What exists was reached through no circle.
        if exists or resolved == path or resolved == resolved.resolve():
            return resolved
    except (OSError, RuntimeError):
        pass
    raise _circle()


def _circle() -> PathError:
    return PathError("is a link that leads back to itself (nearest: a file or a folder of pictures)")


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a file; None if there is none or it cannot be read: opening it will say why."""
    try:
        return path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _circle() from None
        return None


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # no file can have this name
        return False


def is_plain(path: Path) -> bool:
    """Tell whether ``path`` is an ordinary file or a folder: no device, pipe or socket."""
    return _is_plain(path.stat())


def _is_plain(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def link_out_of(pictures: Path, folder: Path) -> str | None:
    """Return the name of a picture in ``pictures`` that is a link out of ``folder``, or None."""
    with os.scandir(pictures) as entries:
        links = [entry.name for entry in entries if entry.is_symlink()]
    return next((name for name in sorted(links) if not _leads_into(pictures / name, folder)), None)


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return _resolve(link, exists=False).is_relative_to(folder)
    except PathError:
        return False


def _file_part(value: str) -> str:
    return re.split(r"[/|]", value)[-1] or "clip.mp4"


def final_name(reference: str) -> str:
    """Return the last part of a local path; names of timm and of a hub stay as they are.

    >>> final_name("/home/me/runs/first/backbone"), final_name("hf-hub:timm/resnet18")
    ('backbone', 'hf-hub:timm/resnet18')
    """
    path = reference.removeprefix("local-dir:").replace("\\", "/")
    is_path = path != reference or path.startswith(("/", "~", "./", "../")) or path.count("/") > 1
    if not is_path and ("/" not in path or not Path(path).exists()):
        return reference
    return path.rstrip("/").rpartition("/")[2]
