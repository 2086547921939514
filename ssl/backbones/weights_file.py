"""Read files of tensors from untrusted sources: no code in them runs, and they take no more memory than their size."""

import io
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

MAX_TENSORS = 20_000
MAX_NAME = 512
_MAX_HEADER = 16 << 20  # of safetensors: 20,000 of the longest names take 13 MB
_MAX_OPERATIONS = 500_000  # of a pickle: a tensor takes about 30
_MAX_KEY = 10_000
_LEGACY_PICKLES = 5  # magic number, protocol, system, tensors, storage keys
_ZIP = b"PK\x03\x04"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` or ``.pth`` file, or of the ``model.safetensors`` in a folder.

    A checkpoint that nests its tensors under ``state_dict`` or ``model`` is unwrapped. Pickles are read with
    ``weights_only=True``: a file can name tensors, not code.

    Raises:
        ValueError: the file is damaged or holds no tensors; or it would take too much memory or time for its size:
            it is compressed, or its tensors are larger than the stored numbers.
        OSError: the file is missing or unreadable.
    """
    if path.is_dir():
        path = path / "model.safetensors"
    if path.suffix == ".safetensors":
        read_shapes(path)
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"not a safetensors file ({_in_a_line(error)})") from error
    try:
        _check_pickles(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises whatever its unpickler met; to the user all of it means one thing
        raise ValueError(f"not a file of plain tensors ({_in_a_line(error)})") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}, not a dictionary of tensors")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        known = ", ".join(str(key)[:40] for key in list(content)[:5])
        raise ValueError(f"no tensors in it, nor under 'state_dict' or 'model' (it has: {known})")
    _check_names(tensors)
    for name, tensor in tensors.items():
        _check_stored(name, tensor)
    return tensors


def read_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of a ``.safetensors`` file's tensors, from its header alone.

    Raises:
        ValueError: the file is damaged, or its header is longer than 20,000 tensors need.
        OSError: the file is missing or unreadable.
    """
    with file.open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    if header > _MAX_HEADER and header <= file.stat().st_size:
        raise ValueError(f"a header of {header:,} bytes, and at most {_MAX_HEADER:,} are read")
    try:
        with safe_open(file, framework="pt") as tensors:
            names = tensors.keys()
            _check_names(names)
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in names}
    except SafetensorError as error:
        raise ValueError(f"not a safetensors file ({_in_a_line(error)})") from error


def count_stored(tensors: Mapping[str, Tensor]) -> int:
    """Count the numbers that are stored for tensors, which may share them.

    >>> count_stored({"a": torch.zeros(1).expand(1000), "b": torch.zeros(2, 3)})
    7
    """
    stored = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() // tensor.element_size()
        for tensor in tensors.values()
    }
    return sum(stored.values())


def _check_names(names: Mapping[str, object] | list[str]) -> None:
    if len(names) > MAX_TENSORS:
        raise ValueError(f"{len(names):,} tensors, and at most {MAX_TENSORS:,} are read")
    if long := next((name for name in names if len(name) > MAX_NAME), None):
        raise ValueError(f"a tensor's name of {len(long):,} characters, and at most {MAX_NAME} are read")


def _check_stored(name: str, tensor: Tensor) -> None:
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"{name[:60]} is {str(tuple(tensor.shape))[:60]}, and the file holds less of it")


def _check_pickles(path: Path) -> None:
    """Check a ``.pth`` file's archive and its pickles before torch reads them."""
    with path.open("rb") as file:
        zipped = file.read(4) == _ZIP
        file.seek(0)
        if not zipped:
            for _ in range(_LEGACY_PICKLES):
                _check_operations(file)
            return
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("its archive is compressed, and torch writes none such")
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise ValueError("its archive holds more than the file")
            for member in members:
                if member.filename.endswith(".pkl"):
                    _check_operations(io.BytesIO(archive.read(member)))


def _check_operations(pickle: IO[bytes]) -> None:
    """Refuse a pickle of very many steps, or with tuples of the same tuple, over and over.

    Such tuples take a few hundred bytes, and as keys of a dictionary years to hash.
    """
    sizes: list[int] = []  # of the tuples on the stack, written out; 1 for all else
    marks: list[int] = []
    memo: dict[int, int] = {}
    for number, (operation, argument, _) in enumerate(pickletools.genops(pickle)):
        if number > _MAX_OPERATIONS:
            raise ValueError(f"a pickle of more than {_MAX_OPERATIONS:,} steps")
        name = operation.name
        if name == "MARK":
            marks.append(len(sizes))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else int(argument)] = sizes[-1]  # MEMOIZE has none
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            sizes.append(memo.get(int(argument or 0), 1))
        else:
            before = operation.stack_before
            if pickletools.markobject in before:
                start = max(0, marks.pop() - before.index(pickletools.markobject))
            else:
                start = max(0, len(sizes) - len(before))
            size = 1 + sum(sizes[start:]) if "TUPLE" in name or name in ("REDUCE", "NEWOBJ", "BUILD") else 1
            if size > _MAX_KEY:
                raise ValueError(f"a pickle with a tuple of more than {_MAX_KEY:,} parts")
            sizes[start:] = [size] * len(operation.stack_after)


def _in_a_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
