"""What machine a benchmark's figures are from."""

from __future__ import annotations

import platform
from typing import Any

import cv2
import torch

from framegate.media.extraction.cores import usable_cores


def machine() -> dict[str, Any]:
    """The ``machine`` of a benchmark's JSON."""
    return {
        "cpus": usable_cores(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
