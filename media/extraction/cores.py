"""How many processes are worth starting."""

import os


def usable_cores() -> int:
    """Return the number of processor cores that this process may use, at least 1.

    Containers and batch systems often grant fewer than the machine has. Systems that do not tell which cores a process
    may use, such as macOS, count all of the machine's.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
