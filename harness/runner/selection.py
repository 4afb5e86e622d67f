"""A selection: which suites, variants and cases a command is to run, and the faults that all of them get."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.clock import ClockKind
from harness.config import DEFAULT, Suite
from harness.dataset import Case, FaultSpec
from harness.errors import UsageError
from harness.schema import nearest


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cases and variants to run; what is left empty selects all. `expression` is as pytest's -k, over ids and tags.

    `faults` come to those of every case.
    """

    suites: Sequence[str] = ()
    variants: Sequence[str] = ()
    expression: str = ""
    tags: Sequence[str] = ()
    limit: int | None = None
    failing: frozenset[tuple[str, str]] | None = None
    repeat: int = 1
    faults: tuple[FaultSpec, ...] = ()
    clock: ClockKind = "virtual"

    @property
    def narrows(self) -> bool:
        """Tell whether cases may be left out."""
        return bool(self.expression or self.tags or self.limit is not None or self.failing is not None)

    def flags(self) -> str:
        """Return the flags that narrow it."""
        asked = [f"--filter {self.expression!r}"] if self.expression else []
        asked += [f"--tag {tag}" for tag in self.tags]
        asked += [f"--limit {self.limit}"] if self.limit is not None else []
        asked += ["--failing"] if self.failing is not None else []
        return " ".join(asked)

    def cases_of(self, suite: str, cases: Iterable[Case]) -> tuple[Case, ...]:
        """Return those of a suite's cases that are to run, with the faults that come to their own."""
        return _with_faults(_select(cases, suite, self), self.faults)


def check_variants(suites: Sequence[tuple[str, Suite]], variants: Sequence[str], *, named: bool) -> None:
    """Refuse variants that no selected suite has; of suites that were named, each must have one of them."""
    for variant in variants:
        known = {named for _, suite in suites for named in suite.variants}
        if variant not in known:
            message = f"no selected suite has a variant {variant!r}{nearest(variant, known)}"
            raise UsageError(message)
    for name, suite in suites:
        if named and variants and not set(variants) & set(suite.variants):
            message = f"suite {name!r} has none of the variants {', '.join(variants)}; it has {', '.join(suite.variants)}"
            raise UsageError(message)


def variants_of(suite: Suite, variants: Sequence[str]) -> list[str]:
    """Return the variants of a suite that are to run: those selected that it has, or its default."""
    return [variant for variant in dict.fromkeys(variants) if variant in suite.variants] if variants else [DEFAULT]


def _select(cases: Iterable[Case], suite: str, selection: Selection) -> tuple[Case, ...]:
    chosen = [case for case in cases if not selection.tags or set(selection.tags) & set(case.tags)]
    if selection.expression:
        matches = _expression(selection.expression)
        chosen = [case for case in chosen if matches(case)]
    if selection.failing is not None:
        chosen = [case for case in chosen if (suite, case.id) in selection.failing]
    return tuple(chosen if selection.limit is None else chosen[: selection.limit])


def _with_faults(cases: tuple[Case, ...], faults: tuple[FaultSpec, ...]) -> tuple[Case, ...]:
    return tuple(case.model_copy(update={"faults": (*case.faults, *faults)}) for case in cases) if faults else cases


def _expression(text: str) -> Any:
    from _pytest.mark.expression import Expression  # noqa: PLC0415, pytest's own -k, which has no public door

    try:
        compiled = Expression.compile(text)
    except SyntaxError as error:
        message = f"--filter {text!r}: {error.msg or error}"
        raise UsageError(message) from None

    def matches(case: Case) -> bool:
        names = [name.lower() for name in (case.id, *case.tags)]

        def stands_in(wanted: str, /, **_keywords: object) -> bool:
            return any(wanted.lower() in name for name in names)

        return compiled.evaluate(stands_in)

    return matches
