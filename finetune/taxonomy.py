"""The category tree: one object that drives the labels of a manifest, the loss, the decoding and the metrics."""

import csv
import difflib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

COLUMNS = ("id", "parent", "name", "definition")


class TaxonomyError(ValueError):
    """A taxonomy that is no tree; ``problems`` holds one line for each thing that is wrong, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class UnknownLabelError(ValueError):
    """A label that names no node."""


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the taxonomy's CSV: ``id`` is stable, ``name`` may change; a root has an empty ``parent``."""

    id: str
    parent: str = ""
    name: str = ""
    definition: str = ""


@dataclass(frozen=True)
class Taxonomy:
    """A forest of categories, of any depth. A node's index is its place in ``nodes``, which is the file's order.

    Raises:
        TaxonomyError: ids repeat, a parent is unknown, the parents go round in a circle, or siblings share a name.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if problems := _problems(self.nodes, [f"node {i}" for i in range(len(self.nodes))]):
            raise TaxonomyError(problems)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a CSV with the columns ``id,parent,name,definition`` (the last two optional); problems name the line."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise TaxonomyError([f"{path.name}: not UTF-8 text ({error.reason} at byte {error.start})"]) from None
        with io.StringIO(text, newline="") as file:
            rows = csv.DictReader(file)
            if missing := [column for column in COLUMNS[:2] if column not in (rows.fieldnames or ())]:
                raise TaxonomyError(
                    [f"{path.name}:1: the header lacks {', '.join(missing)} (wanted: {','.join(COLUMNS)})"]
                )
            nodes, places = [], []
            for row in rows:
                nodes.append(Node(**{column: (row.get(column) or "").strip() for column in COLUMNS}))
                places.append(f"{path.name}:{rows.line_num}")
        if problems := _problems(nodes, places):
            raise TaxonomyError(problems)
        return cls(tuple(nodes))

    def write(self, path: str | Path) -> None:
        """Write the CSV that :meth:`read` reads."""
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(astuple(node) for node in self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The nodes' ids, in file order."""
        return tuple(node.id for node in self.nodes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The nodes' names, in file order; a node without a name is called by its id."""
        return tuple(node.name or node.id for node in self.nodes)

    @cached_property
    def parents(self) -> np.ndarray:
        """(N,) int64: the index of each node's parent, -1 for a root."""
        index = {node.id: i for i, node in enumerate(self.nodes)}
        return np.array([index.get(node.parent, -1) for node in self.nodes], dtype=np.int64)

    @cached_property
    def levels(self) -> np.ndarray:
        """(N,) int64: 1 for a root, 2 for its children, and so on."""
        return np.array([len(self.path(i)) for i in range(len(self))], dtype=np.int64)

    @cached_property
    def depth(self) -> int:
        """The number of levels."""
        return int(self.levels.max())

    @cached_property
    def leaves(self) -> np.ndarray:
        """(L,) int64: the nodes without children, in file order."""
        return np.setdiff1d(np.arange(len(self)), self.parents)

    def path(self, node: int) -> list[int]:
        """The nodes from the root to ``node``, both included."""
        path = [int(node)]
        while (parent := int(self.parents[path[-1]])) >= 0:
            path.append(parent)
        return path[::-1]

    def name_path(self, node: int) -> str:
        """The names from the root to ``node``: ``a/b/c``."""
        return "/".join(self.names[i] for i in self.path(node))

    @cached_property
    def _by_label(self) -> dict[str, int]:
        id_paths = {"/".join(self.ids[i] for i in self.path(node)): node for node in range(len(self))}
        name_paths = {self.name_path(node): node for node in range(len(self))}
        return name_paths | id_paths | {node.id: i for i, node in enumerate(self.nodes)}  # an id wins over a path

    def resolve(self, label: str) -> int:
        """The index of the node that ``label`` names: an id, or a path ``a/b/c`` of names or of ids from a root.

        Raises:
            UnknownLabelError: no node is called so.
        """
        if (problem := self.check(label)) is not None:
            raise UnknownLabelError(problem)
        return self._by_label[label]

    def check(self, label: str) -> str | None:
        """What is wrong with ``label``, in words, with the nearest valid one; None where nothing is."""
        if label in self._by_label:
            return None
        nearest = difflib.get_close_matches(label, self._by_label, n=1, cutoff=0.0)
        return f"label {label!r} is not in the taxonomy (nearest: {nearest[0]!r})"


def _problems(nodes: Sequence[Node], places: Sequence[str]) -> list[str]:
    """One line for each thing that keeps ``nodes`` from being a forest, in the order of the rows."""
    if not nodes:
        return ["the taxonomy is empty"]
    parent = {node.id: node.parent for node in nodes if node.id}
    first: dict[str, str] = {}
    siblings: dict[tuple[str, str], str] = {}
    problems = []
    for node, place in zip(nodes, places, strict=True):
        if not node.id:
            problems.append(f"{place}: the id is empty")
        elif node.id in first:
            problems.append(f"{place}: id {node.id!r} is already taken at {first[node.id]}")
        elif node.parent and node.parent not in parent:
            nearest = difflib.get_close_matches(node.parent, parent, n=1, cutoff=0.0)[0]
            problems.append(
                f"{place}: parent {node.parent!r} of {node.id!r} is not in the taxonomy (nearest: {nearest!r})"
            )
        elif _is_own_ancestor(node.id, parent):
            problems.append(f"{place}: {node.id!r} is its own ancestor, through {node.parent!r}")
        elif (key := (node.parent, node.name or node.id)) in siblings:
            problems.append(f"{place}: {node.id!r} has the name {key[1]!r} of its sibling at {siblings[key]}")
        else:
            siblings[key] = place
        first.setdefault(node.id, place)
    return problems


def _is_own_ancestor(id_: str, parent: dict[str, str]) -> bool:
    seen: set[str] = set()
    at = parent[id_]
    while at in parent and at not in seen and at != id_:
        seen.add(at)
        at = parent[at]
    return at == id_
