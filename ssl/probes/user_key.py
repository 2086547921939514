"""A secret key of this user, which proves that files were written by this user's framegate."""

import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from framegate.media.files import name_aside, open_plain

_BYTES = 32


def user_key() -> bytes | None:
    """Return the key of this user, 32 bytes; create it if there is none; return None if it cannot be stored.

    It lies in ``$XDG_CACHE_HOME/framegate/key`` (``~/.cache/…``). If that cannot be written, it lies in a private
    folder of this user among the temporary files, so that processes of one machine still share it. No other user may
    read it. Processes that create it at the same time all get the same key.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  # fails for no user
    for folder in (Path(cache) / "framegate", Path(tempfile.gettempdir()) / f"framegate-{os.getuid()}"):
        with suppress(OSError):
            return _key_in(folder)
    return None


def _key_in(folder: Path) -> bytes:
    """Return the key in a folder; create it if there is none.

    Raises:
        OSError: it cannot be kept there, or others could have put or read it there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise OSError(f"{folder} is not this user's alone")
    file = folder / "key"
    with suppress(FileNotFoundError):
        return _read(file)
    aside = name_aside(file, "part")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(secrets.token_bytes(_BYTES))
        with suppress(FileExistsError):  # another process was first
            file.hardlink_to(aside)  # unlike a rename, this replaces nothing
    finally:
        aside.unlink()
    return _read(file)


def _read(file: Path) -> bytes:
    with open_plain(file, os.O_RDONLY) as opened:
        facts, key = os.fstat(opened.fileno()), opened.read(_BYTES + 1)
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077 or len(key) != _BYTES:
        raise OSError(f"{file} is no key of this user alone")
    return key
