"""Whether data workers can hand over what they read."""

import os
import sys
from multiprocessing.util import get_temp_dir

from framegate.media.errors import MediaError

_SOCKET_PATH = 107 if sys.platform == "linux" else 103
"""Bytes that the path of a Unix socket may have: ``sun_path`` of unix(7), less the zero that ends it."""

_SOCKET_NAME = len("/listener-12345678")
"""Bytes that multiprocessing adds to its temporary folder to name a socket."""


def usable_workers(workers: int) -> int:
    """``workers``, once it is known that batches of so many data workers arrive.

    They come by way of a socket in the temporary folder. If its path is too long, the workers cannot make it and the
    one who waits for a batch waits for ever, without an error.

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
