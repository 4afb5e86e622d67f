"""A baseline: what a suite came to when it was last found good, small enough to commit."""

import datetime as dt
import json
from typing import Self

from harness.experiment import Experiment, read_stored
from harness.schema import Value
from harness.standing import Standings

FORMAT = 1  # 1: the first
OLD_AFTER_DAYS = 30


class Baseline(Value):
    """The standings of one suite under one variant, and where they come from. `forced` tells that its gate had not passed."""

    format: int = FORMAT
    experiment: str
    commit: str | None = None
    finished_at: str | None = None
    price_table: str = ""
    forced: bool = False
    standings: Standings

    @classmethod
    def of(cls, experiment: Experiment, standings: Standings, *, forced: bool) -> Self:
        """Return the baseline that an experiment gives for one of its suites: the same bytes whenever it is asked."""
        return cls(
            experiment=experiment.id,
            commit=experiment.commit,
            finished_at=experiment.finished_at,
            price_table=experiment.price_table,
            forced=forced,
            standings=standings,
        )

    @classmethod
    def read(cls, text: str, *, path: str) -> Self:
        """Read the text of a baseline; too old, too new and unreadable are different errors."""
        return read_stored(cls, text, FORMAT, path=path, what="a baseline", remedy="bless an experiment again")

    def written(self) -> str:
        """Return the text of the file: sorted, a line for each case, so that a review shows what moved."""
        document = self.model_dump(mode="json", exclude_defaults=True) | {"format": self.format}
        cases = document["standings"].pop("cases")
        lines = [f"{_compact(case)}: {_compact(standing)}" for case, standing in sorted(cases.items())]
        head = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
        before, _, after = head.rpartition('\n "standings": {')
        rows = ",\n   ".join(lines)
        return f'{before}\n "standings": {{\n  "cases": {{\n   {rows}\n  }},{after}\n'

    def age_days(self, today: dt.date) -> int | None:
        """Return how many days ago it was measured; None where it does not say."""
        return (today - dt.datetime.fromisoformat(self.finished_at).date()).days if self.finished_at else None


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
