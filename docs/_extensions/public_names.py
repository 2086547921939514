"""The directive ``public-names``: what a package exports, documented from its docstrings.

With a package as its argument it takes the names of its ``__all__``; else the dotted names of its content, one a line.
"""

import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective


class PublicNames(SphinxDirective):
    """An entry for each name, written by autodoc."""

    optional_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Look each name up, and have autodoc write of it."""
        names = [line.strip() for line in self.content if line.strip()]
        if self.arguments:
            package = self.arguments[0]
            module = importlib.import_module(package)
            names += [f"{package}.{name}" for name in sorted(module.__all__) if is_of(getattr(module, name), package)]
        return self.parse_text_to_nodes("\n".join(entries(names)), allow_section_headings=True)


def is_of(value: object, package: str) -> bool:
    """Whether a package's name is its own, or is only passed on from another of framegate's packages."""
    home = f"{getattr(value, '__module__', package)}."
    return home.startswith(f"{package}.") or not home.startswith("framegate.")


def entries(names: Iterable[str]) -> Iterator[str]:
    """An autodoc directive for each dotted name."""
    yield "```{eval-rst}"
    for name in names:
        module, _, attribute = name.rpartition(".")
        value = getattr(importlib.import_module(module), attribute)
        if inspect.isclass(value):
            kind = "autoexception" if issubclass(value, Exception) else "autoclass"
        else:
            kind = "autofunction" if inspect.isroutine(value) else "autodata"
        yield from (f".. {kind}:: {name}", "")
    yield "```"


def leave_as_text(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Element) -> nodes.Element | None:
    """Show a name that has no page as text, if it exists; a name that does not exist stays an error."""
    if node.get("refdomain") != "py":
        return None
    target = str(node.get("reftarget", "")).partition("[")[0]
    if target.startswith("framegate."):
        is_known = exists(target)
    else:  # another library's, or the short name of something beside what is documented
        ours = [module for name, module in sys.modules.items() if name.startswith("framegate.")]
        is_known = "." in target or target in _ANNOTATIONS or any(hasattr(module, target) for module in ours)
    return shown if is_known else None


_ANNOTATIONS = {"NoneType", "FieldInfo", "Ge", "Gt", "Le", "Lt", "dict", "BaseCompose"}
"""What annotations are made of, and autodoc writes without saying where it is from."""


def exists(name: str) -> bool:
    """Whether a dotted name can be imported, or is an attribute of something that can."""
    parts = name.split(".")
    if not all(parts):
        return False
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        try:
            for part in parts[end:]:
                value = getattr(value, part)
        except AttributeError:
            return False
        return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive, and of names that have no page."""
    app.add_directive("public-names", PublicNames)
    app.connect("missing-reference", leave_as_text)
    return {"parallel_read_safe": True}
