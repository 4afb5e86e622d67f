"""The decisions of routers that were checked: right or wrong, where to, and how sure."""

from array import array
from collections import Counter

from harness.score import Score
from harness.stats import Calibration, Confusion, calibration

_NOWHERE = "(none)"


class Routing:
    """Counts decisions by router."""

    def __init__(self) -> None:
        self._decisions: Counter[tuple[str, bool]] = Counter()
        self._sure: dict[str, tuple[array[float], array[float]]] = {}
        self._routed: dict[str, Counter[tuple[str, str]]] = {}

    def add(self, score: Score, *, whole: bool) -> None:
        """Count one checked decision; the confidence of one in a trial that did not come to its end says nothing."""
        router, right = router_of(score), score.status == "pass"
        self._decisions[router, right] += 1
        confidence = score.detail.get("confidence")
        if isinstance(confidence, float) and whole:
            self._sure.setdefault(router, (array("d"), array("d")))[right].append(confidence)
        expected = _label(score.detail.get("expected"))
        self._routed.setdefault(router, Counter())[expected, expected if right else _label(score.detail.get("actual"))] += 1

    @property
    def routers(self) -> tuple[str, ...]:
        """Return the routers whose decisions were checked."""
        return tuple(sorted(self._routed))

    @property
    def sure_routers(self) -> tuple[str, ...]:
        """Return the routers of which a checked decision came with a confidence."""
        return tuple(sorted(self._sure))

    def accuracy(self, *routers: str) -> float | None:
        """Return the share of right decisions of these routers; None of no decision."""
        right, wrong = (sum(self._decisions[router, is_right] for router in routers) for is_right in (True, False))
        return right / (right + wrong) if right + wrong else None

    def confusion(self, router: str) -> Confusion:
        """Return how often each expected route of a router became each actual one.

        `(none)` stands for a route that the score does not name; a right decision counts as the expected route, however it is spelt.
        """
        return Confusion(tuple(sorted(self._routed.get(router, Counter()).items())))

    def calibration(self, router: str) -> Calibration:
        """Return how the confidence of a router's decisions fits how often they are right."""
        wrong, right = self._sure.get(router, ((), ()))
        return calibration(right, wrong)


def router_of(score: Score) -> str:
    """Return the router that a score of the check `route` is of."""
    return str(score.detail.get("router", score.name.removeprefix("route.")))


def _label(route: object) -> str:
    return _NOWHERE if route is None else str(route)
