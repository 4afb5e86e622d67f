"""What the package imports is what it declares, so that it runs where nothing else is installed."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
OPTIONAL = {"aiohttp", "psycopg"}
"""What is imported only where the user's code has imported it."""


def declared():
    """Return the names of the distributions that come with ours, by what it declares and by what those declare."""
    names, left = set(), [*tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]]
    while left:
        requirement = Requirement(left.pop())
        name = canonical(requirement.name)
        if name not in names and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            names.add(name)
            left += metadata.requires(name) or []
    return names


def canonical(name):
    """Return the name of a distribution as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(nodes):
    """Return the top-level packages that are imported by some of these nodes, without Python's own."""
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    of = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | of} - sys.stdlib_module_names - {"harness"}


def test_what_is_imported_is_declared():
    """Every package that a module imports is declared, and none that is optional is imported before it is needed."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "harness").rglob("*.py"))]
    known, distributions = declared(), metadata.packages_distributions()

    anywhere = imported([node for tree in trees for node in ast.walk(tree)])
    at_once = imported([node for tree in trees for node in tree.body])
    assert {"langgraph", "pydantic"} <= anywhere
    assert {name for name in anywhere if known.isdisjoint(map(canonical, distributions.get(name, [name])))} == OPTIONAL
    assert at_once.isdisjoint(OPTIONAL)
