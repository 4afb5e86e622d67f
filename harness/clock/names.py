"""Where Python code names an object: in modules and instances, as defaults of functions and as what closures hold."""

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any

_KEPT = ("harness.clock", "importlib._bootstrap", "_thread", "_queue")

Undo = tuple[Callable[..., Any], tuple[Any, ...]]


@contextmanager
def renamed(new_of: dict[Any, Any]) -> Iterator[None]:
    """Put new objects wherever old ones are named; afterwards the old ones again, also where a name was taken meanwhile."""
    old_of = {new: old for old, new in new_of.items()}
    before = _references(old_of)
    undo = _rename(new_of)
    try:
        yield
    finally:
        for put, arguments in undo:  # first, for two old objects may have had the same new one
            put(*arguments)
        undo.clear()
        after = _references(old_of)
        if taken := {new: old for new, old in old_of.items() if after[id(new)] != before[id(new)]}:
            _rename(taken)


def _references(objects: Iterable[Any]) -> dict[int, int]:
    """Return how often each is named anywhere; to look for where takes much longer."""
    return {id(each): sys.getrefcount(each) for each in objects}


def _rename(new_of: dict[Any, Any]) -> list[Undo]:
    by_id = {id(old): new for old, new in new_of.items()}
    undo: list[Undo] = []
    fixed: list[Any] = []
    olds = tuple(new_of)
    for holder in gc.get_referrers(*olds):
        if holder is olds:
            continue
        if isinstance(holder, tuple) or _is_of_class(holder):
            fixed += [] if _is_ancestry(holder) else [holder]
        elif isinstance(holder, dict):
            undo += _rename_values(holder, by_id)
        elif isinstance(holder, CellType):
            undo += _rename_values(_Cell(holder), by_id)
        elif isinstance(names := getattr(holder, "__dict__", None), dict):
            undo += _rename_values(names, by_id)
    for owner in gc.get_referrers(*fixed) if fixed else ():
        if isinstance(owner, FunctionType):
            undo += _rename_defaults(owner, by_id)
        elif isinstance(owner, type):
            undo += _rename_attributes(owner, by_id)
    return undo


def _is_of_class(holder: Any) -> bool:
    """Tell whether this is the dictionary of a class, which only the class itself may change."""
    return isinstance(holder, dict) and "__module__" in holder and "__name__" not in holder


def _is_ancestry(holder: Any) -> bool:
    """Tell whether this is the tuple of a class and what it inherits from, which is no name: looking for its owner takes long."""
    return isinstance(holder, tuple) and holder != () and issubclass(type(holder[0]), type) and holder[0].__mro__ is holder


class _Cell(dict[str, Any]):
    """What a closure holds, as a dictionary of one name."""

    def __init__(self, cell: CellType) -> None:
        super().__init__(cell_contents=cell.cell_contents)
        self._cell = cell

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._cell, name, value)


def _rename_values(names: dict[Any, Any], by_id: dict[int, Any]) -> Iterator[Undo]:
    if names is by_id or str(names.get("__name__", "")).startswith(_KEPT):
        return
    for name, value in list(names.items()):
        if id(value) in by_id:
            names[name] = by_id[id(value)]
            yield names.__setitem__, (name, value)


def _rename_attributes(owner: type, by_id: dict[int, Any]) -> Iterator[Undo]:
    for name, value in list(vars(owner).items()):
        if id(value) in by_id:
            setattr(owner, name, by_id[id(value)])
            yield setattr, (owner, name, value)


def _rename_defaults(function: FunctionType, by_id: dict[int, Any]) -> Iterator[Undo]:
    defaults = function.__defaults__
    if defaults and any(id(value) in by_id for value in defaults):
        function.__defaults__ = tuple(by_id.get(id(value), value) for value in defaults)
        yield setattr, (function, "__defaults__", defaults)
