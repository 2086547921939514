"""W&B, through accelerate's tracker: offline unless the user is logged in."""

import netrc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
from accelerate import Accelerator

from framegate.media.files import write_text
from framegate.media.visible import visible, visible_lines
from framegate.recipes.config.recipe import Section, dump_recipe


def start_tracking(
    accelerator: Accelerator, config: Section, *, project: str, name: str, run: Path, run_id: str
) -> None:
    """Open the W&B run ``run_id`` (on process 0), a resumed one under the same id; its files go to ``RUN/wandb/``."""
    import wandb

    options: dict[str, Any] = {
        "dir": str(run),
        "id": run_id,
        "name": name,
        "resume": "allow",
        "settings": wandb.Settings(silent=True, console="off"),
        "mode": os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline"),
    }
    accelerator.init_trackers(project, config=config.resolved(), init_kwargs={"wandb": options})
    opened = _wandb_run(accelerator)
    if opened is not None and opened.offline:
        # Online, W&B writes this file itself; offline the config would only be in its binary log.
        write_text(Path(opened.dir) / "config.yaml", dump_recipe(config))


class Board:
    """Send pictures, histograms and alerts to W&B, besides the rows of metrics.

    Without an open W&B run, and on every process but the main one, nothing happens.

    Args:
        accelerator: after `start_tracking`.
    """

    def __init__(self, accelerator: Accelerator):
        self._run = _wandb_run(accelerator)

    def picture(self, name: str, rgb: np.ndarray, *, step: int, caption: str) -> None:
        """Send a picture, (H, W, 3) uint8 RGB."""
        if self._run is not None:
            import wandb

            self._run.log({name: wandb.Image(rgb, caption=visible(caption))}, step=step)

    def histogram(self, name: str, counts: Sequence[int], *, low: float, high: float, step: int) -> None:
        """Send counts in equal bins from ``low`` to ``high``."""
        if self._run is not None:
            import wandb

            edges = np.linspace(low, high, len(counts) + 1)
            self._run.log({name: wandb.Histogram(np_histogram=(np.asarray(counts), edges))}, step=step)

    def alert(self, title: str, text: str) -> None:
        """Send an alert, and add a line to the run's summary."""
        if self._run is not None:
            self._run.alert(title=visible(title), text=visible_lines(text))
            self._run.summary[visible(title)] = visible_lines(text)


def logged_in() -> bool:
    """Return whether the user is logged in at W&B, by environment variable or the netrc file that its login writes."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _wandb_run(accelerator: Accelerator) -> Any | None:
    """Return the open W&B run; only the main process has one."""
    trackers = accelerator.trackers if accelerator.is_main_process else []
    return next((tracker.tracker for tracker in trackers if tracker.name == "wandb"), None)
