"""Why a training ends before its last step."""

from framegate.media.errors import FramegateError
from framegate.recipes.training.launch import STOPPED


class TrainingError(FramegateError, RuntimeError):
    """Raised when the training itself fails: a loss that is not a number, for example."""

    exit_code = 1


class StoppedError(TrainingError):
    """Raised when a signal asked the training to stop; its state is saved."""

    exit_code = STOPPED
