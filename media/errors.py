"""The exceptions that all parts share."""

from collections.abc import Iterable


class MediaError(Exception):
    """A store, a file or a call that cannot be served; the message is one clear line."""


class ProblemsError(ValueError):
    """Everything that is wrong with an input: ``problems``, one line each. All other errors of ours are one line.

    So a line break in a name never looks like a message: whoever shows an error escapes those within a line.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))
