"""What is stored of the exception that ended a trial: the same on every machine."""

import re
import traceback
from collections.abc import Sequence
from pathlib import Path

from harness.plain import plain
from harness.trace import Crash
from harness.wire.deployed import AgentFailed
from harness.wire.stops import BudgetStop, LiveConnection, MissingExchange

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


def crash_of(error: BaseException, *, node: str | None, root: Path) -> Crash | None:
    """Return the crash in the node that raised; None for a miss, a live connection or a spent budget, which the notes tell better."""
    if isinstance(error, MissingExchange | LiveConnection | BudgetStop):
        return None
    kind = error.kind if isinstance(error, AgentFailed) else type(error).__name__
    return Crash(type=kind, message=_ADDRESS.sub("0x…", _said(error)), node=node, traceback=_frames(error, root))


def _said(error: BaseException) -> str:
    try:
        return str(plain(str(error)))
    except Exception:  # noqa: BLE001, the user's own exception may not even be printable
        return "(its text cannot be read)"


def _frames(error: BaseException, root: Path) -> str:
    """Return the stack as `file:line in function`, files relative to the project; the same on every machine."""
    lines = [
        f"{_relative(frame.filename, root)}:{frame.lineno} in {frame.name}"
        for frame in _own_frames(traceback.extract_tb(error.__traceback__), root)
    ]
    return "\n".join(lines)


def _own_frames(frames: Sequence[traceback.FrameSummary], root: Path) -> Sequence[traceback.FrameSummary]:
    own = [frame for frame in frames if frame.filename.startswith(str(root)) and "site-packages" not in frame.filename]
    return own or frames[-3:]


def _relative(filename: str, root: Path) -> str:
    path = Path(filename)
    return str(path.relative_to(root)) if path.is_relative_to(root) else "/".join(path.parts[-2:])
