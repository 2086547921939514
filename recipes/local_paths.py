"""Paths of this machine, which are nobody else's business."""

from pathlib import Path


def final_name(reference: str) -> str:
    """A path of this machine, shortened to its last name; names on a hub and of timm stay as they are."""
    path = reference.removeprefix("local-dir:").replace("\\", "/")
    is_path = path != reference or path.startswith(("/", "~", "./", "../")) or path.count("/") > 1
    if not is_path and ("/" not in path or not Path(path).exists()):
        return reference
    return path.rstrip("/").rpartition("/")[2]
