"""What YAML may hold without end, and a cassette may not: depth, values, merges, references."""

from typing import Any

import yaml

_DEEPEST = 1000
_COUNTED_AT = 20_000
_MOST_EVENTS = 1_000_000
_LARGEST = 64 * 1024 * 1024
_MERGE = "tag:yaml.org,2002:merge"


def refuse_excess(text: str, loader: type) -> None:
    """Refuse nesting at which the parser, written in C, breaks the process, and more values than memory holds; a small text has neither."""
    if text.count("[") + text.count("{") + text.count("- ") + text.count("? ") + text.count(": ") < _COUNTED_AT:
        return
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or number > _MOST_EVENTS:
            mark: Any = event.start_mark  # the C parser's marks have a class of their own
            problem = "nested too deeply" if depth > _DEEPEST else f"more than {_MOST_EVENTS} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def refuse_growth(root: yaml.Node | None) -> None:
    """Refuse `<<`, which no cassette needs, and references that stand for themselves or, written out, for more than memory holds."""
    waiting, seen, referred = [root], set[int](), False
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            referred = True
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                if key.tag == _MERGE:
                    raise yaml.MarkedYAMLError(problem="'<<' is not read in a cassette", problem_mark=key.start_mark)
        waiting += _parts(node)
    if referred:
        _refuse_large(root)


def _parts(node: yaml.Node | None) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_large(root: yaml.Node | None) -> None:
    """Count what every node is when all references in it are written out, each node once."""
    sizes: dict[int, int] = {}
    waiting, opened = [(root, False)], set[int]()
    while waiting:
        node, is_counted = waiting.pop()
        if id(node) in sizes:
            continue
        if is_counted:
            sizes[id(node)] = _size(node, sizes)
        elif id(node) in opened:
            raise yaml.MarkedYAMLError(problem="a reference that stands for itself", problem_mark=node.start_mark if node else None)
        else:
            opened.add(id(node))
            waiting += [(node, True), *((part, False) for part in _parts(node))]


def _size(node: yaml.Node | None, sizes: dict[int, int]) -> int:
    size = 1 + (len(node.value) if isinstance(node, yaml.ScalarNode) else sum(sizes[id(part)] for part in _parts(node)))
    if size > _LARGEST:
        problem = f"references that stand for more than {_LARGEST} characters"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark if node else None)
    return size
