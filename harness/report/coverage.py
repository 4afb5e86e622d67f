"""What of a graph was covered, in one sentence for people."""

from collections.abc import Iterator

from harness.metric import Tally

_MISSING_SHOWN = 10


def sentence(tally: Tally) -> str:
    """Return `edges 6/7, not taken: a → b; interrupts 1/1`, or why the coverage cannot be known."""
    if not tally.measured:
        return "edges not known: no trial was measured"
    return "; ".join(_parts(tally)) if tally.coverage else f"edges not known: {tally.coverage_unknown}"


def _parts(tally: Tally) -> Iterator[str]:
    for kind, found in tally.coverage.items():
        more = f" and {len(found.missing) - _MISSING_SHOWN} more" if len(found.missing) > _MISSING_SHOWN else ""
        missing = f", not taken: {', '.join(found.missing[:_MISSING_SHOWN])}{more}" if found.missing else ""
        if found.known:
            yield f"{kind} {found.taken}/{found.known}{missing}"
