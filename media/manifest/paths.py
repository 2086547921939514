"""Check the paths in a manifest: local files inside its folder."""

import errno
import os
import re
import stat
from pathlib import Path

from framegate.media.errors import FramegateError
from framegate.media.visible import quoted

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//|\|)?")


class PathError(FramegateError, ValueError):
    """Raised for a path that is refused; the message completes a sentence that begins with the path."""


def local_path(value: str, *, folder: Path, allow_outside: bool = False) -> Path:
    """Return the resolved path of ``value``; the file need not exist or be readable.

    Args:
        value: a path, relative to ``folder`` or absolute.
        folder: the manifest's folder, resolved.
        allow_outside: accept paths and links that lead out of ``folder``.

    Raises:
        PathError: for addresses (``http://…``, ``concat:…``), devices and pipes, and, unless ``allow_outside``, for
            what lies outside ``folder`` once ``..`` and links are followed.
    """
    if "\0" in value:
        raise PathError("holds a NUL character")
    path = folder / value
    status = _status(path)
    if status is None and _ADDRESS.match(value):
        raise PathError(f"is an address, not a local file (nearest: {quoted(_file_part(value))})")
    resolved = _resolve(path, exists=status is not None)
    status = status or _status(resolved)  # ``missing/../x`` is x
    if not allow_outside and not resolved.is_relative_to(folder):
        raise PathError(
            f"leads out of the manifest's folder (nearest: {quoted(resolved.name)}; --allow-outside accepts it)"
        )
    if status and stat.S_ISDIR(status.st_mode) and not allow_outside and (astray := link_out_of(resolved, folder)):
        raise PathError(
            f"holds a link out of the manifest's folder (nearest: without {quoted(astray)}, or --allow-outside)"
        )
    if status and not _is_plain(status):
        raise PathError("is a device or a pipe, not a file (nearest: a file or a folder of pictures)")
    return resolved


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
