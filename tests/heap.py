"""The memory of a test process: what is there before the first test is looked through once, not again in every run of a command.

Where virtual time begins, `harness.clock.names` has the garbage collector look through the whole memory for whoever names a clock or a
lock. That is quick in a user's process. Here, 5,000 tests and all that they import would be looked through in each of some thousand
runs, and nothing of that changes. So it is looked through once, the holders are remembered, and the rest is put out of the collector's
sight. What a test itself imports, defines and makes is looked through as ever.
"""

import gc
from types import FunctionType

from harness.clock import names, patch


def settle():
    """Remember who of those that are there now names what virtual time replaces, and hide the others from the collector."""
    replaced = patch._replacements()
    objects = (*replaced, *replaced.values())
    gc.collect()
    holders = gc.get_referrers(*objects)
    fixed = [holder for holder in holders if isinstance(holder, tuple | dict)]
    owners = [owner for owner in gc.get_referrers(*fixed) if isinstance(owner, FunctionType | type)]
    names.gc = _Settled([*holders, *owners])
    gc.freeze()


class _Settled:
    """What of the module `gc` is used where names are looked for."""

    def __init__(self, holders):
        self._holders = holders

    def get_referrers(self, *objects):
        """Return those of the holders that refer to one of the objects, and whatever else does."""
        wanted = {id(each) for each in objects}
        settled = [holder for holder in self._holders if any(id(each) in wanted for each in gc.get_referents(holder))]
        return [*settled, *gc.get_referrers(*objects)]
