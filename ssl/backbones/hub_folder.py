"""Fetch models of the Hugging Face hub into local folders, so that names and folders are opened in the same way."""

from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import snapshot_download

_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin")


def fetch_folder(name: str, files: Iterable[str], *, weights: bool = True) -> Path:
    """Return the folder of a model in the hub's cache; download only those of the wanted files that are not there.

    Args:
        name: ``OWNER/NAME``, or ``OWNER/NAME@REVISION``.
        files: names of the files wanted beside the weights; ``*`` stands for anything.
        weights: whether the weights are wanted: as safetensors, or as a pickle where the model has nothing else.

    Raises:
        OSError: the hub does not answer, and the cache does not hold the model.
        ValueError: this is no name of a model.
    """
    model, _, revision = name.partition("@")

    def fetch(wanted: Iterable[str]) -> Path:
        return Path(snapshot_download(model, revision=revision or None, allow_patterns=[*files, *wanted]))

    folder = fetch(_SAFETENSORS if weights else ())
    if weights and not any(folder.glob("model*.safetensors*")):
        folder = fetch(_PICKLES)
    return folder
