"""Read YAML of unknown origin within limits of size: aliases are counted as what they stand for, before it is built."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from framegate.media.errors import FramegateError
from framegate.media.visible import quoted, visible

KeyPath = tuple[str, ...]
"""Where a value stands: ``("optim", "lr")``."""

MAX_BYTES = 1_000_000
_MAX_DEPTH, _MAX_NODES, _MAX_SCALAR = 32, 10_000, 4096
_LARGEST = 2**63  # a number of more bits is no size, count or rate of anything
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class YamlError(FramegateError, ValueError):
    """A text that is not read: the reason, and its ``line``, from 1; 0 if it concerns no single line."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what)
        self.line = line


def read_yaml(content: bytes) -> tuple[Any, dict[KeyPath, int]]:
    """Read one document, and the line of each key in it.

    At most a million bytes, 32 levels and 10,000 values of 4,096 characters are read, where an alias counts as much as
    what it stands for. Keys are texts, and differ; there are no tags, and no numbers of more than 63 bits.

    Raises:
        YamlError: it is no YAML, or more than that.
    """
    if len(content) > MAX_BYTES:
        raise YamlError(f"more than {MAX_BYTES} bytes")
    try:
        text = content.decode()
        _check_size(text)
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None, {}
        lines = dict(_lines(root))
        values = loader.construct_document(root)
        _check_numbers(values)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = visible(error.problem or error.context or "unknown")[:150]
        raise YamlError(f"not readable as YAML: {what}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise YamlError(f"not readable as YAML: {visible(str(error).splitlines()[0])[:150]}") from None
    except (ValueError, OverflowError) as error:  # no UTF-8; 2001-99-99
        if isinstance(error, YamlError):
            raise
        raise YamlError(f"not readable as YAML: {visible(error)[:150]}") from None
    return values, lines


@dataclass
class _Size:
    """Size of a part of the document, aliases resolved: number of nodes, and levels of nesting."""

    anchor: str | None = None
    nodes: int = 1
    depth: int = 1

    def add(self, inner: "_Size") -> None:
        self.nodes += inner.nodes
        self.depth = max(self.depth, 1 + inner.depth)


def _check_size(text: str) -> None:
    """Refuse a document that is too large, from the parser's events: nothing is built, and nothing recurses."""
    whole, known = _Size(), dict[str, _Size]()
    open_: list[_Size] = [whole]
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            shown = quoted(str(tag).replace("tag:yaml.org,2002:", "!!"))
            raise YamlError(f"tag {shown}: values are read without tags", line)
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append(_Size(event.anchor))
            if len(open_) > _MAX_DEPTH + 1:
                raise YamlError(f"more than {_MAX_DEPTH} levels", line)
            continue
        if isinstance(event, yaml.ScalarEvent):
            if len(event.value) > _MAX_SCALAR:
                raise YamlError(f"a value of more than {_MAX_SCALAR} characters", line)
            part = _Size(event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            name = event.anchor or ""
            if any(outer.anchor == name for outer in open_[1:]):
                raise YamlError(f"{quoted(name)} stands in itself", line)
            stands_for = known.get(name, _Size())  # unknown ones are refused later
            part = _Size(nodes=stands_for.nodes, depth=stands_for.depth)
        elif isinstance(event, yaml.CollectionEndEvent):
            part = open_.pop()
        else:
            continue
        if part.anchor is not None:
            known[part.anchor] = part
        open_[-1].add(part)
        if open_[-1].nodes > _MAX_NODES:
            raise YamlError(f"more than {_MAX_NODES} values, aliases followed", line)
        if len(open_) - 1 + part.depth > _MAX_DEPTH:
            raise YamlError(f"more than {_MAX_DEPTH} levels, aliases followed", line)


def _lines(node: yaml.Node, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    """Return the line of each key. Keys must be texts, and unique."""
    if isinstance(node, yaml.SequenceNode):
        for value in node.value:
            for _ in _lines(value):
                pass
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set[str]()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag not in (_TEXT, _MERGE):
            shown = quoted(key.value) if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
            raise YamlError(f"a key is a text, and {shown} is none", line)
        if key.value in seen:
            raise YamlError(f"key {quoted(key.value)} twice", line)
        seen.add(key.value)
        path = (*prefix, key.value)
        yield path, line
        yield from _lines(value, path)


def _check_numbers(value: Any) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        for each in value:
            _check_numbers(each)
    elif isinstance(value, int) and abs(value) >= _LARGEST:
        raise YamlError("a number of more than 63 bits")
