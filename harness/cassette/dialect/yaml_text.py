"""A file of YAML, read without ever building an object."""

from typing import Any

import yaml

from harness.cassette.dialect.document import Document
from harness.cassette.dialect.text import text_of
from harness.cassette.dialect.yaml_bounds import refuse_excess, refuse_growth
from harness.errors import CassetteError

_LONGEST_NUMBER = 1000
_TEXT_TAGS = frozenset(
    {"unicode", "str"} | {f"object/{way}:multidict.{module}.istr" for way in ("apply", "new") for module in ("_multidict", "_multidict_py")}
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's, where it is there
    """Builds plain values only. A text under a tag of a kind of text is that text; every other tag of Python's is refused by its name."""


def _bounded_int(loader: Any, node: yaml.Node) -> int:
    """Refuse a number so long that reading it takes time: sixties (`1:30:00`) are multiplied out."""
    if len(node.value) > _LONGEST_NUMBER:
        raise yaml.MarkedYAMLError(problem=f"a number of more than {_LONGEST_NUMBER} digits", problem_mark=node.start_mark)
    number: int = loader.construct_yaml_int(node)
    return number


def _plain_text(_loader: Any, tag: str, node: yaml.Node) -> str:
    """Return the text under `!!python/object/apply:multidict._multidict.istr [text]`, which aiohttp's headers are, and its kin."""
    parts = node.value if isinstance(node, yaml.SequenceNode) and len(node.value) == 1 else [node]
    if tag not in _TEXT_TAGS or not isinstance(parts[0], yaml.ScalarNode):
        raise yaml.MarkedYAMLError(problem=f"the tag '!!python/{tag}' builds an object, which is never done", problem_mark=node.start_mark)
    return str(parts[0].value)


_Loader.add_constructor("tag:yaml.org,2002:int", _bounded_int)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _plain_text)


def claims(_data: bytes) -> bool:
    """Take what no other dialect takes."""
    return True


def opened(data: bytes, path: str) -> Document:
    """Return the values of the file and the lines of what its lists hold."""
    return parsed(text_of(data, path), path)


def parsed(text: str, path: str) -> Document:
    """Return the values of YAML text and the lines of what its lists hold; CassetteError with path and line."""
    loader = None
    try:
        refuse_excess(text, _Loader)
        loader = _Loader(text)
        node = loader.get_single_node()
        refuse_growth(node)
        return Document(None if node is None else loader.construct_document(node), _lines(node))
    except yaml.reader.ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        message = f"{path}:{text.count(chr(10), 0, position) + 1}: not a cassette: {str(error).splitlines()[0]}"
        raise CassetteError(message) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = (error.problem or "not YAML").splitlines()[0]
        message = f"{path}{line}: cannot be read: {problem}"
        raise CassetteError(message) from None
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        message = f"{path}: cannot be read: {type(error).__name__}: {error}"  # PyYAML's own failures at odd scalars
        raise CassetteError(message) from None
    finally:
        if loader is not None:
            loader.dispose()


def _lines(root: yaml.Node | None) -> dict[str, tuple[int, ...]]:
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return {
        str(key.value): tuple(item.start_mark.line + 1 for item in value.value)
        for key, value in pairs
        if isinstance(value, yaml.SequenceNode)
    }
