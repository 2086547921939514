"""W&B, through accelerate's tracker: offline unless the user is logged in."""

import netrc
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from accelerate import Accelerator

from framegate.recipes.config import Section


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
    }
    if not os.environ.get("WANDB_MODE"):
        options["mode"] = "online" if logged_in() else "offline"
    accelerator.init_trackers(project, config=config.model_dump(mode="json"), init_kwargs={"wandb": options})


def logged_in() -> bool:
    """Whether W&B knows who the user is: by its environment variable, or by the netrc file that its login writes."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
