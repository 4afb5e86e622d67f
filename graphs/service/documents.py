"""What goes in and out over HTTP."""

from typing import Annotated, Any, Literal, Self
from uuid import uuid4

from langchain_core.messages import UsageMetadata
from langgraph.types import StateSnapshot
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_jsonable_python

ThreadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
RecursionLimit = Annotated[int, Field(ge=1, le=500)]
Status = Literal["running", "interrupted", "done", "failed"]


class Body(BaseModel):
    """A request's body: what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Start(Body):
    """What a run starts with; a thread that is named goes on where it stood."""

    inputs: dict[str, JsonValue]
    thread_id: ThreadId = Field(default_factory=lambda: uuid4().hex)
    recursion_limit: RecursionLimit = 50


class Begin(Start):
    """The same for a run in the background; with `tokens`, its stream also tells the model's text as it comes."""

    tokens: bool = False


class Resume(Body):
    """What goes on with a thread that stopped: the human's answer, or one for each interrupt by its id; none at a static interrupt."""

    thread_id: ThreadId
    resume: JsonValue = None
    recursion_limit: RecursionLimit = 50
    wait: bool = False
    tokens: bool = False


class Started(BaseModel):
    """Where to ask for a run that has begun."""

    thread_id: str


class Waiting(BaseModel):
    """An interrupt that waits for an answer."""

    id: str
    value: JsonValue


class Failure(BaseModel):
    """Why a run failed; the log of the session says more."""

    type: str


class Snapshot(BaseModel):
    """How a thread stands. `usage` counts the tokens of its runs in this process, by model."""

    thread_id: str
    status: Status
    state: dict[str, JsonValue] = {}
    interrupts: list[Waiting] = []
    next: list[str] = []
    error: Failure | None = None
    usage: dict[str, UsageMetadata] = {}

    @classmethod
    def of(cls, thread_id: str, found: StateSnapshot, *, running: bool, error: Failure | None, usage: dict[str, UsageMetadata]) -> Self:
        """The snapshot of a checkpoint."""
        status: Status = "running" if running else "failed" if error else "interrupted" if found.next else "done"
        return cls(
            thread_id=thread_id,
            status=status,
            state=plain(found.values),
            interrupts=[Waiting(id=interrupt.id, value=plain(interrupt.value)) for interrupt in found.interrupts],
            next=list(found.next),
            error=error,
            usage=usage,
        )


def plain(value: Any) -> Any:
    """A value of the graph's state as JSON."""
    return to_jsonable_python(value, serialize_unknown=True)
