"""Reading weights that somebody else wrote, without running anything in them."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` or ``.pth`` file, or of the ``model.safetensors`` in a folder.

    A checkpoint that nests its tensors under ``state_dict`` or ``model`` is unwrapped. Pickles are read with
    ``weights_only=True``: a file can name tensors, not code.

    Raises:
        ValueError: the file is damaged or holds no tensors.
        OSError: the file is missing or unreadable.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"not a safetensors file ({error})") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises whatever its unpickler met; to the user all of it means one thing
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"not a file of plain tensors ({reason})") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = (
        {key: value for key, value in content.items() if isinstance(value, Tensor)} if isinstance(content, dict) else {}
    )
    if not tensors:
        raise ValueError("no tensors in it")
    return tensors
