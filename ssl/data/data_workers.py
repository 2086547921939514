"""Check whether data workers can send their batches."""

import os
import sys
from multiprocessing.util import get_temp_dir

from framegate.media.errors import MediaError

_SOCKET_PATH = 107 if sys.platform == "linux" else 103
"""Longest path of a Unix socket, in bytes: ``sun_path`` of unix(7), without the final zero."""

_SOCKET_NAME = len("/listener-12345678")
"""Bytes that multiprocessing adds to its temporary folder to name a socket."""


def usable_workers(workers: int) -> int:
    """Return ``workers`` if so many data workers can send batches.

    Batches come through a socket in the temporary folder. If its path is too long, the workers cannot create it, and
    the training would wait for ever without an error.

    Raises:
        MediaError: the path of the temporary folder is too long for a socket in it.
    """
    if workers == 0:
        return 0
    folder = get_temp_dir()
    length = len(os.fsencode(folder)) + _SOCKET_NAME
    if length > _SOCKET_PATH:
        raise MediaError(
            f"the path of the temporary folder (TMPDIR) is {length - _SOCKET_PATH} bytes too long for data workers: "
            "set TMPDIR to a shorter one, or take no workers (data.workers=0)"
        )
    return workers
