"""The base classes of framegate's errors."""

from collections.abc import Iterable
from typing import ClassVar


class FramegateError(Exception):
    """Base class of all errors that framegate raises on purpose; their messages are meant for users.

    Attributes:
        exit_code: exit code of a command that ends with this error: 1 the work failed, 2 the call or its input was
            wrong, 3 a signal stopped the work and its state is saved.
    """

    exit_code: ClassVar[int] = 2


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a command that ended with ``error``.

    >>> exit_code_of(MediaError("clip.mp4: no video in it")), exit_code_of(OSError("disk full"))
    (2, 1)

    Returns:
        ``error.exit_code`` for a `FramegateError`; 1 for all other errors.
    """
    return error.exit_code if isinstance(error, FramegateError) else 1


class MediaError(FramegateError):
    """Raised for a store, a file or a call that cannot be used; the message is one line."""


class DamagedError(MediaError):
    """Raised for a file that is not whole, or is not what it claims to be; the message is one line."""


class ProblemsError(FramegateError, ValueError):
    """Raised with everything that is wrong with one input; all other errors of framegate have a single line.

    Code that shows an error escapes the line breaks inside each problem, so that a line break in a name cannot look
    like a further message.

    Attributes:
        problems: one message each.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))
