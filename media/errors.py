"""The exceptions that all parts share."""

from collections.abc import Iterable
from typing import ClassVar


class FramegateError(Exception):
    """What framegate itself raises, of which the message is for users; every error of ours is one.

    Attributes:
        exit_code: of the command line: 1 the work failed, 2 the call or its input was wrong, 3 a signal stopped the
            work with its state saved.
    """

    exit_code: ClassVar[int] = 2


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a command that ``error`` ended: its own, or 1 where it is none of ours."""
    return error.exit_code if isinstance(error, FramegateError) else 1


class MediaError(FramegateError):
    """A store, a file or a call that cannot be served; the message is one clear line."""


class ProblemsError(FramegateError, ValueError):
    """Everything that is wrong with an input: ``problems``, one line each. All other errors of ours are one line.

    So a line break in a name never looks like a message: whoever shows an error escapes those within a line.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))
