"""Writing files and folders: under a new name first, then renamed into place; never through a link.

A folder may come from a stranger, and a link may stand in it where a file is about to be written. So whatever is
written here is created by this process (the call fails where anything bears the name already), under a name that nobody
can guess where that is possible, and takes its place by a rename, which replaces a link and does not follow it.
"""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_LONGEST_STEM = 200  # bytes: file systems take names of 255


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to a file as UTF-8, whole or not at all; create its folder if needed."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to a file, whole or not at all; create its folder if needed."""
    with file_aside(path) as file:
        file.write(data)


@contextmanager
def file_aside(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends, once its bytes are on the disk.

    If the block raises, the new file is deleted and ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = name_aside(path, "part")
    with _create(aside) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def new_file(path: Path) -> BinaryIO:
    """Open a new file for writing; a file or a link of that name is deleted first, whatever the link leads to.

    For files with a fixed name in a working folder of framegate, where a killed process may have left a partial one.
    """
    path.unlink(missing_ok=True)
    return _create(path)


def append_text(path: Path, text: str) -> None:
    """Append ``text`` as UTF-8 to a file, which is created if it does not exist.

    Raises:
        OSError: it is a link, or no ordinary file.
    """
    with open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
        file.write(text.encode())


def open_plain(path: Path, flags: int) -> BinaryIO:
    """Open an ordinary file, unbuffered.

    Args:
        path: the file.
        flags: those of `os.open`; with ``os.O_WRONLY`` or ``os.O_RDWR`` the file is opened for writing.

    Raises:
        OSError: it is a link, a pipe or a device.
    """
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is no ordinary file")
    writing = flags & (os.O_WRONLY | os.O_RDWR)
    return os.fdopen(handle, "wb" if writing else "rb", buffering=0)


def remove_parts(folder: Path) -> None:
    """Delete a folder that framegate made, with its content; do nothing if it is a link or does not exist."""
    if is_plain_folder(folder):
        shutil.rmtree(folder, ignore_errors=True)


def is_plain_file(path: Path) -> bool:
    """Tell whether ``path`` is an ordinary file: no link to one, no pipe, no device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_plain_folder(path: Path) -> bool:
    """Tell whether ``path`` is a folder: no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Create a new folder beside ``folder``, for the block to fill and to rename.

    If it still has its first name when the block ends, it is deleted. Parent folders are created.
    """
    aside = name_aside(folder, "part")
    aside.mkdir(parents=True)
    try:
        yield aside
    finally:
        if aside.exists():
            shutil.rmtree(aside, ignore_errors=True)


def replace_folder(aside: Path, folder: Path) -> Path | None:
    """Rename a finished folder to ``folder``; an older one is renamed away first and is never half replaced.

    Returns:
        The new path of the older folder, for the caller to delete; None where there was none.

    Raises:
        OSError: the folder cannot be renamed; then the older one is back in its place.
    """
    to_disk(aside)
    old = name_aside(folder, "old") if os.path.lexists(folder) else None
    if old is not None:
        folder.rename(old)
    try:
        aside.rename(folder)
    except OSError:
        if old is not None:
            with suppress(OSError):
                old.rename(folder)
        raise
    to_disk(folder.parent)
    return old


def name_aside(path: Path, ending: str) -> Path:
    """Return a hidden, random path beside ``path``: ``.NAME.xxxxxxxx.ENDING``."""
    stem = path.name.encode()[:_LONGEST_STEM].decode(errors="ignore")
    return path.with_name(f".{stem}.{secrets.token_hex(4)}.{ending}")


def to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's list of names, are on the disk.

    A rename is atomic, but does not wait until the content of the renamed file is on the disk.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _create(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "wb")
