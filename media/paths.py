"""Which files a manifest may name: local ones, inside its folder."""

import os
import re
import stat
from pathlib import Path

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//|\|)?")


class PathError(ValueError):
    """Why a path is refused, as the end of a sentence that begins with the path."""


def local_path(value: str, *, folder: Path, allow_outside: bool = False) -> Path:
    """The resolved path of ``value``, relative to ``folder``; it need not exist.

    Raises:
        PathError: for addresses (``http://…``, ``concat:…``), devices and pipes, and, unless ``allow_outside``, for
            what lies outside ``folder`` once ``..`` and links are followed.
    """
    if "\0" in value:
        raise PathError("holds a NUL character")
    path = folder / value
    if _ADDRESS.match(value) and not path.exists():
        raise PathError(f"is an address, not a local file (nearest: {_file_part(value)!r})")
    resolved = path.resolve()
    if not allow_outside and not resolved.is_relative_to(folder):
        raise PathError(f"leads out of the manifest's folder (nearest: {resolved.name!r}; --allow-outside accepts it)")
    if resolved.is_dir() and not allow_outside and (astray := _link_out_of(resolved, folder)):
        raise PathError(f"holds a link out of the manifest's folder (nearest: without {astray!r}, or --allow-outside)")
    if resolved.exists() and not is_plain(resolved):
        raise PathError("is a device or a pipe, not a file (nearest: a file or a folder of pictures)")
    return resolved


def stays_inside(path: Path, folder: Path) -> bool:
    """Whether ``path``, an entry of ``folder``, is no link to something outside.

    The hub's cache keeps a repository's files in ``blobs`` and links to them from ``snapshots/REVISION``: these stay.
    """
    if not path.is_symlink():
        return True
    target, home = path.resolve(), folder.resolve()
    snapshot = next((place for place in (home, *home.parents) if place.parent.name == "snapshots"), None)
    blobs = () if snapshot is None else (snapshot.parent.parent / "blobs",)
    return any(target.is_relative_to(place) for place in (home, *blobs))


def is_plain(path: Path) -> bool:
    """Whether ``path`` is an ordinary file or a folder: no device, pipe or socket."""
    mode = path.stat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _link_out_of(pictures: Path, folder: Path) -> str | None:
    """The name of a picture in ``pictures`` that is a link to something outside ``folder``; None if there is none."""
    with os.scandir(pictures) as entries:
        links = [entry.name for entry in entries if entry.is_symlink()]
    return next((name for name in sorted(links) if not (pictures / name).resolve().is_relative_to(folder)), None)


def _file_part(value: str) -> str:
    return re.split(r"[/|]", value)[-1] or "clip.mp4"
