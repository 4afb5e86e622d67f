"""Programs whose timeline is known by hand: graphs, retries, time-outs, threads and tasks, on any clock."""

import asyncio
import contextvars
import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from operator import add
from time import monotonic as early_monotonic
from time import sleep as early_sleep
from typing import Annotated, Any, TypedDict

import anyio
import anyio.to_thread
import httpx
import httpx2
import tenacity
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.errors import NodeTimeoutError
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import RetryPolicy, Send, TimeoutPolicy
from openai import AsyncOpenAI, OpenAI


@dataclass
class Log:
    """What happened when, in seconds since the program began."""

    began: float = field(default_factory=time.monotonic)
    events: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self, event: Any) -> None:
        """Note an event."""
        self.events.append((str(event), round(time.monotonic() - self.began, 9)))


@dataclass(frozen=True)
class Program:
    """A program, the events it shall log, and how many seconds it takes."""

    run: Callable[[Log], Any]
    events: tuple[tuple[str, float], ...]
    elapsed_s: float


PROGRAMS: dict[str, Program] = {}


def timeline(*events: tuple[str, float], elapsed_s: float):
    """Enter a program with what is known of it."""

    def enter(run):
        PROGRAMS[run.__name__] = Program(run, tuple(sorted(events, key=lambda event: (event[1], event[0]))), elapsed_s)
        return run

    return enter


# graphs


class State(TypedDict):
    """What the graphs below pass on."""

    seen: Annotated[list[str], add]


def async_node(log, name, seconds):
    """Return an asynchronous node that takes so long."""

    async def node(state):
        await asyncio.sleep(seconds)
        log(name)
        return {"seen": [name]}

    return node


def sync_node(log, name, seconds):
    """Return a node that takes so long."""

    def node(state):
        time.sleep(seconds)
        log(name)
        return {"seen": [name]}

    return node


def chain(make, log, *seconds, **options):
    """Return a graph whose nodes a, b, c … run one after the other."""
    graph = StateGraph(State)
    last = START
    for name, duration in zip("abcdefgh", seconds, strict=False):
        graph.add_node(name, make(log, name, duration), **options)
        graph.add_edge(last, name)
        last = name
    graph.add_edge(last, END)
    return graph.compile()


def fan_out(make, log, *seconds):
    """Return a graph whose nodes a, b, c … run at the same time, and then `join`."""
    graph = StateGraph(State)
    graph.add_node("join", make(log, "join", 0))
    for name, duration in zip("abcdefgh", seconds, strict=False):
        graph.add_node(name, make(log, name, duration))
        graph.add_edge(START, name)
    graph.add_edge(list("abcdefgh"[: len(seconds)]), "join")
    return graph.compile()


def ainvoke(graph, **config):
    """Run a graph in a loop of its own."""
    return asyncio.run(graph.ainvoke({"seen": []}, config))


CHAIN = (("a", 10.0), ("b", 20.0), ("c", 30.0), ("d", 40.0))
FAN = (("a", 10.0), ("b", 20.0), ("c", 30.0), ("join", 30.0))


@timeline(*CHAIN, elapsed_s=40)
def async_chain(log):
    ainvoke(chain(async_node, log, 10, 10, 10, 10))


@timeline(*CHAIN, elapsed_s=40)
def sync_chain_in_threads(log):
    ainvoke(chain(sync_node, log, 10, 10, 10, 10))


@timeline(*CHAIN, elapsed_s=40)
def sync_chain(log):
    chain(sync_node, log, 10, 10, 10, 10).invoke({"seen": []})


@timeline(*FAN, elapsed_s=30)
def async_fan_out(log):
    ainvoke(fan_out(async_node, log, 10, 20, 30))


@timeline(*FAN, elapsed_s=30)
def sync_fan_out_in_threads(log):
    ainvoke(fan_out(sync_node, log, 10, 20, 30))


@timeline(*FAN, elapsed_s=30)
def sync_fan_out(log):
    fan_out(sync_node, log, 10, 20, 30).invoke({"seen": []})


@timeline(("a", 5.0), ("b", 5.0), ("c", 7.0), ("sync", 7.0), ("join", 7.0), elapsed_s=7)
def mixed_fan_out(log):
    graph = StateGraph(State)
    graph.add_node("join", async_node(log, "join", 0))
    graph.add_node("sync", sync_node(log, "sync", 7))
    graph.add_edge(START, "sync")
    for name, seconds in (("a", 5), ("b", 5), ("c", 7)):
        graph.add_node(name, async_node(log, name, seconds))
        graph.add_edge(START, name)
    graph.add_edge(["a", "b", "c", "sync"], "join")
    ainvoke(graph.compile())


@timeline(*((f"{n}", 5.0 if n < 6 else 10.0) for n in range(10)), elapsed_s=10)
def ten_sends_on_six_workers(log):
    graph = StateGraph(State)
    graph.add_node("work", lambda number: sync_node(log, number, 5)(None))
    graph.add_conditional_edges(START, lambda state: [Send("work", number) for number in range(10)], ["work"])
    graph.compile().invoke({"seen": []}, {"max_concurrency": 6})


@timeline(("TimeoutError", 15.0), ("a", 10.0), elapsed_s=15)
def wait_for_a_graph(log):
    async def run():
        try:
            await asyncio.wait_for(chain(async_node, log, 10, 10, 10, 10).ainvoke({"seen": []}), 15)
        except TimeoutError:
            log("TimeoutError")

    asyncio.run(run())


@timeline(("TimeoutError", 5.0), elapsed_s=5)
def step_timeout(log):
    graph = chain(async_node, log, 40)
    graph.step_timeout = 5
    try:
        ainvoke(graph)
    except TimeoutError:
        log("TimeoutError")


def flaky(log, failures):
    """Return what fails so many times, at once."""
    left = [failures]

    def work(state=None):
        log(f"attempt {failures - left[0] + 1}")
        left[0] -= 1
        if left[0] >= 0:
            message = "flaky"
            raise ConnectionError(message)
        return {"seen": ["done"]}

    return work


POLICY = RetryPolicy(initial_interval=1, backoff_factor=2, max_attempts=5, jitter=False)
ATTEMPTS = (("attempt 1", 0.0), ("attempt 2", 1.0), ("attempt 3", 3.0), ("attempt 4", 7.0))


def retrying(node):
    """Return a graph of one node that is tried again."""
    graph = StateGraph(State)
    graph.add_node("node", node, retry_policy=POLICY)
    graph.add_edge(START, "node")
    return graph.compile()


@timeline(*ATTEMPTS, elapsed_s=7)
def retry_policy_async(log):
    work = flaky(log, 3)

    async def node(state):
        return work()

    ainvoke(retrying(node))


@timeline(*ATTEMPTS, elapsed_s=7)
def retry_policy_in_threads(log):
    ainvoke(retrying(flaky(log, 3)))


@timeline(*ATTEMPTS, elapsed_s=7)
def retry_policy_sync(log):
    retrying(flaky(log, 3)).invoke({"seen": []})


def timed_node(log, policy):
    """Run a node of 40 seconds under a time-out policy."""
    try:
        ainvoke(chain(async_node, log, 40, timeout=policy))
    except NodeTimeoutError as error:
        log(f"{error.kind} {error.timeout:g} {error.elapsed:.3f}")


@timeline(("run 7 7.000", 7.0), elapsed_s=7)
def run_timeout(log):
    timed_node(log, TimeoutPolicy(run_timeout=7))


@timeline(("idle 7 7.000", 7.0), elapsed_s=7)
def idle_timeout(log):
    timed_node(log, TimeoutPolicy(idle_timeout=7))


@timeline(("a", 10.0), ("b", 20.0), ("outer", 20.0), elapsed_s=20)
def subgraph_in_a_node(log):
    inner = chain(sync_node, log, 10, 10)

    def outer(state):
        inner.invoke({"seen": []})
        log("outer")
        return {"seen": []}

    graph = StateGraph(State)
    graph.add_node("outer", outer)
    graph.add_edge(START, "outer")
    graph.compile().invoke({"seen": []})


@timeline(("a", 5.0), ("b", 8.0), ("join", 8.0), ("outer", 8.0), elapsed_s=8)
def nested_pools_under_ainvoke(log):
    inner = fan_out(sync_node, log, 5, 8)

    def outer(state):
        inner.invoke({"seen": []})
        log("outer")
        return {"seen": []}

    graph = StateGraph(State)
    graph.add_node("outer", outer)
    graph.add_edge(START, "outer")
    ainvoke(graph.compile())


@timeline(("a", 3.0), ("b", 6.0), elapsed_s=6)
def async_graph_run_in_a_thread(log):
    graph = chain(async_node, log, 3, 3)
    with futures.ThreadPoolExecutor() as pool:
        pool.submit(ainvoke, graph).result()


@tool
def wait(seconds: int) -> str:
    """Wait."""
    time.sleep(seconds)
    return str(seconds)


def tool_node():
    """Return a graph that calls three tools at the same time, and its input."""
    calls = [{"name": "wait", "args": {"seconds": seconds}, "id": str(seconds)} for seconds in (5, 10, 15)]

    class Messages(TypedDict):
        messages: Annotated[list, add_messages]

    graph = StateGraph(Messages)
    graph.add_node("tools", ToolNode([wait]))
    graph.add_edge(START, "tools")
    return graph.compile(), {"messages": [HumanMessage("go"), AIMessage("", tool_calls=calls)]}


@timeline(("5 10 15", 15.0), elapsed_s=15)
def three_tools_sync(log):
    graph, given = tool_node()
    log(" ".join(message.content for message in graph.invoke(given)["messages"][2:]))


@timeline(("5 10 15", 15.0), elapsed_s=15)
def three_tools_async(log):
    graph, given = tool_node()
    log(" ".join(message.content for message in asyncio.run(graph.ainvoke(given))["messages"][2:]))


# model clients

ANSWER = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
ANSWER["choices"] = [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]


def answers(*statuses):
    """Return a function that gives one response after the other, with the headers of a provider."""
    left = list(statuses)

    def answer(library):
        status = left.pop(0)
        headers = {"retry-after": "20"} if status == 429 else {}
        return library.Response(status, json=ANSWER if status == 200 else {"error": {"message": "no"}}, headers=headers)

    return answer


def sync_transport(log, latency_s, *statuses, library=httpx2):
    """Return a transport whose server takes so long."""
    answer = answers(*statuses)

    def handle(request):
        time.sleep(latency_s)
        log("answer")
        return answer(library)

    return library.MockTransport(handle)


def async_transport(log, latency_s, *statuses, library=httpx2):
    """Return an asynchronous transport whose server takes so long."""
    answer = answers(*statuses)

    async def handle(request):
        await asyncio.sleep(latency_s)
        log("answer")
        return answer(library)

    return library.MockTransport(handle)


ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
RATE_LIMITED = (("answer", 2.0), ("answer", 24.0), ("answer", 46.0))


def ask(log, *statuses):
    """Ask with the real client, which tries again by itself."""
    with httpx2.Client(transport=sync_transport(log, 2, *statuses)) as http, OpenAI(api_key="x", http_client=http, max_retries=5) as client:
        return client.chat.completions.create(**ASK)


async def ask_async(log, *statuses):
    """Ask with the real asynchronous client."""
    async with (
        httpx2.AsyncClient(transport=async_transport(log, 2, *statuses)) as http,
        AsyncOpenAI(api_key="x", http_client=http, max_retries=5) as client,
    ):
        return await client.chat.completions.create(**ASK)


@timeline(*RATE_LIMITED, elapsed_s=46)
def sdk_rate_limited_sync(log):
    ask(log, 429, 429, 200)


@timeline(*RATE_LIMITED, elapsed_s=46)
def sdk_rate_limited_async(log):
    asyncio.run(ask_async(log, 429, 429, 200))


@timeline(*RATE_LIMITED, elapsed_s=46)
def sdk_rate_limited_in_a_thread(log):
    asyncio.run(asyncio.to_thread(ask, log, 429, 429, 200))


_JITTER = random.Random(7)  # noqa: S311, the client's own
_FIRST = 2 + 0.5 * (1 - 0.25 * _JITTER.random()) + 2
_SECOND = _FIRST + 1.0 * (1 - 0.25 * _JITTER.random()) + 2


@timeline(("answer", 2.0), ("answer", _FIRST), ("answer", _SECOND), elapsed_s=_SECOND)
def sdk_back_off_with_seeded_jitter(log):
    random.seed(7)
    ask(log, 500, 500, 200)


@timeline(*((f"answer {n}", 46.0) for n in range(5)), elapsed_s=46)
def five_clients_at_once(log):
    async def one(number):
        await ask_async(lambda _: None, 429, 429, 200)
        log(f"answer {number}")

    async def run():
        await asyncio.gather(*(one(number) for number in range(5)))

    asyncio.run(run())


@timeline(("answer", 2.0), ("answer", 7.0), ("answer", 12.0), elapsed_s=12)
def httpx_with_tenacity(log):
    with httpx.Client(transport=sync_transport(log, 2, 500, 500, 200, library=httpx)) as client:

        @tenacity.retry(wait=tenacity.wait_fixed(3), stop=tenacity.stop_after_attempt(5))
        def get():
            client.get("http://model.test/").raise_for_status()

        get()


class Chunks(httpx2.AsyncByteStream):
    """A stream of nine events a second apart, but for one gap of ten."""

    def __init__(self, log):
        self.log = log

    async def __aiter__(self):
        for number in range(9):
            await asyncio.sleep(10 if number == 5 else 1)
            delta = f'{{"index": 0, "delta": {{"content": "{number}"}}, "finish_reason": null}}'
            yield f'data: {{"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [{delta}]}}\n\n'.encode()
        yield b"data: [DONE]\n\n"


def stream(log, timeout_s):
    """Read a stream with LangChain's model, which has a time-out between chunks."""

    async def handle(request):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Chunks(log))

    async def run():
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(handle)) as http:
            model = ChatOpenAI(model="m", api_key="x", http_async_client=http, stream_chunk_timeout=timeout_s, max_retries=0)
            try:
                async for chunk in model.astream("hi"):
                    if chunk.content:
                        log(chunk.content)
            except TimeoutError as error:
                log(type(error).__name__)

    asyncio.run(run())


FIRST_FIVE = tuple((str(number), number + 1.0) for number in range(5))


@timeline(*FIRST_FIVE, ("5", 15.0), ("6", 16.0), ("7", 17.0), ("8", 18.0), elapsed_s=18.1)
def stream_with_a_gap(log):  # LangChain looks for the end of a closed stream for 0.1 s
    stream(log, 60)


@timeline(*FIRST_FIVE, ("StreamChunkTimeoutError", 10.0), elapsed_s=10)
def stream_with_a_chunk_timeout(log):
    stream(log, 5)


@timeline(*((f"attempt {n + 1}", n * 10.0) for n in range(4)), elapsed_s=30)
def tenacity_sync(log):
    tenacity.retry(wait=tenacity.wait_fixed(10))(flaky(log, 3))()


@timeline(*((f"attempt {n + 1}", n * 10.0) for n in range(4)), elapsed_s=30)
def tenacity_in_a_thread(log):
    asyncio.run(asyncio.to_thread(tenacity.retry(wait=tenacity.wait_fixed(10))(flaky(log, 3))))


@timeline(*((f"attempt {n + 1}", n * 10.0) for n in range(4)), elapsed_s=30)
def tenacity_async(log):
    work = flaky(log, 3)

    @tenacity.retry(wait=tenacity.wait_fixed(10))
    async def run():
        work()

    asyncio.run(run())


@timeline(("attempt 1", 0.0), ("attempt 2", 1.0), ("attempt 3", 3.0), elapsed_s=3)
def langchain_with_retry(log):
    wait_s = {"initial": 1, "max": 10, "exp_base": 2, "jitter": 0}
    RunnableLambda(flaky(log, 2)).with_retry(stop_after_attempt=5, exponential_jitter_params=wait_s).invoke({})


@timeline(("first", 0.5), ("second", 1.0), ("third", 1.5), elapsed_s=1.5)
def langchain_rate_limiter(log):
    limiter = InMemoryRateLimiter(requests_per_second=2, check_every_n_seconds=0.25, max_bucket_size=1)
    for name in ("first", "second", "third"):
        limiter.acquire()
        log(name)


@timeline(("fallback", 10.0), elapsed_s=10)
def fallback_after_a_timeout(log):
    async def slow(value):
        async with asyncio.timeout(8):
            await asyncio.sleep(60)

    async def quick(value):
        await asyncio.sleep(2)
        log("fallback")

    asyncio.run(RunnableLambda(slow).with_fallbacks([RunnableLambda(quick)]).ainvoke(1))


# tasks and threads


@timeline(("done", 0.0), elapsed_s=0)
def real_work_takes_no_virtual_time(log):
    def work():
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    async def run():
        await asyncio.wait_for(asyncio.to_thread(work), 0.01)
        log("done")

    asyncio.run(run())


@timeline(*((f"{n}", 5.0 if n < 6 else 10.0) for n in range(10)), elapsed_s=10)
def ten_jobs_on_six_workers(log):
    with futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: sync_node(log, number, 5)(None), range(10)))


@timeline(("FIRST_COMPLETED", 2.0), ("TimeoutError", 4.0), ("slow", 9.0), elapsed_s=9)
def waits_for_futures(log):
    with futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(sync_node(log, "slow", 9), None)
        futures.wait([slow, pool.submit(time.sleep, 2)], return_when=futures.FIRST_COMPLETED)
        log("FIRST_COMPLETED")
        try:
            slow.result(timeout=2)
        except TimeoutError:
            log("TimeoutError")


@timeline(("a", 1.0), ("b", 2.0), ("c", 3.0), elapsed_s=3)
def as_completed(log):
    with futures.ThreadPoolExecutor() as pool:
        jobs = {pool.submit(time.sleep, seconds): name for name, seconds in (("c", 3), ("a", 1), ("b", 2))}
        for job in futures.as_completed(jobs):
            log(jobs[job])


@timeline(("False", 3.0), ("True", 5.0), elapsed_s=5)
def event(log):
    event = threading.Event()
    threading.Timer(5, event.set).start()
    log(event.wait(3))
    log(event.wait(3))


@timeline(("Empty", 3.0), ("item", 5.0), elapsed_s=5)
def queue_with_a_timeout(log):
    items: queue.Queue = queue.Queue()
    threading.Timer(5, items.put, ("item",)).start()
    try:
        items.get(timeout=3)
    except queue.Empty:
        log("Empty")
    log(items.get(timeout=3))


@timeline(("Empty", 3.0), ("item", 5.0), elapsed_s=5)
def simple_queue(log):
    items: queue.SimpleQueue = queue.SimpleQueue()
    threading.Timer(5, items.put, ("item",)).start()
    try:
        items.get(timeout=3)
    except queue.Empty:
        log("Empty")
    log(items.get())


@timeline(("0", 5.0), ("1", 10.0), ("2", 15.0), elapsed_s=15)
def lock_held_across_a_sleep(log):
    lock = threading.Lock()

    def work(number):
        with lock:
            time.sleep(5)
            log(number)

    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(work, range(3)))


@timeline(("False", 2.0), ("True", 5.0), elapsed_s=5)
def lock_with_a_timeout(log):
    lock = threading.RLock()

    def hold():
        with lock:
            time.sleep(5)

    thread = threading.Thread(target=hold)
    thread.start()
    time.sleep(0)
    log(lock.acquire(timeout=2))
    log(lock.acquire(timeout=20))
    lock.release()
    thread.join()


@timeline(("0", 4.0), ("1", 4.0), ("2", 8.0), ("3", 8.0), elapsed_s=8)
def semaphore(log):
    slots = threading.Semaphore(2)

    def work(number):
        with slots:
            sync_node(log, number, 4)(None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@timeline(("1", 3.0), ("2", 3.0), ("3", 3.0), elapsed_s=3)
def barrier(log):
    barrier = threading.Barrier(3, timeout=10)

    def work(seconds):
        time.sleep(seconds)
        barrier.wait()
        log(seconds)

    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(work, (1, 2, 3)))


@timeline(("alive", 2.0), ("ended", 5.0), elapsed_s=5)
def bare_thread(log):
    thread = threading.Thread(target=early_sleep, args=(5,))
    thread.start()
    thread.join(2)
    log("alive" if thread.is_alive() else "ended")
    thread.join()
    log("alive" if thread.is_alive() else "ended")


@timeline(("10.0", 10.0), elapsed_s=10)
def names_imported_before(log):
    began = early_monotonic()
    early_sleep(10)
    log(early_monotonic() - began)


@timeline(("a", 10.0), ("b", 20.0), ("c", 30.0), elapsed_s=30)
def to_thread(log):
    async def run():
        jobs = (asyncio.to_thread(sync_node(log, name, seconds), None) for name, seconds in (("a", 10), ("b", 20), ("c", 30)))
        await asyncio.gather(*jobs)

    asyncio.run(run())


@timeline(("thread", 5.0), ("cancelled", 7.0), ("slept", 10.0), elapsed_s=10)
def anyio_threads_and_scopes(log):
    async def run():
        with anyio.fail_after(6):
            await anyio.to_thread.run_sync(sync_node(log, "thread", 5), None)
        with anyio.move_on_after(2):
            await anyio.sleep(60)
        log("cancelled")
        await anyio.sleep(3)
        log("slept")

    anyio.run(run)


@timeline(("thread", 4.0), ("TimeoutError", 3.0), elapsed_s=4)
def timeout_around_a_thread(log):
    async def run():
        try:
            async with asyncio.timeout(3):
                await asyncio.to_thread(sync_node(log, "thread", 4), None)
        except TimeoutError:
            log("TimeoutError")

    asyncio.run(run())  # waits for the thread before it returns


@timeline(("from a thread", 3.0), ("back", 4.0), elapsed_s=4)
def coroutine_from_a_thread(log):
    async def work():
        await asyncio.sleep(2)
        log("from a thread")

    def thread(loop):
        time.sleep(1)
        asyncio.run_coroutine_threadsafe(work(), loop).result(timeout=10)
        time.sleep(1)
        log("back")

    async def run():
        await asyncio.to_thread(thread, asyncio.get_running_loop())

    asyncio.run(run())


@timeline(("first", 1.0), ("second", 3.0), ("call_later", 4.0), elapsed_s=5)
def tasks_and_timers(log):
    async def run():
        asyncio.get_running_loop().call_later(4, log, "call_later")
        tasks = [asyncio.create_task(asyncio.sleep(seconds)) for seconds in (1, 3, 5)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        log("first")
        await asyncio.wait(tasks, timeout=2)
        log("second")
        await asyncio.gather(*tasks)

    asyncio.run(run())


@timeline(("0", 2.0), ("1", 4.0), ("2", 6.0), elapsed_s=6)
def asynchronous_queue(log):
    async def run():
        items: asyncio.Queue = asyncio.Queue(1)

        async def produce():
            for number in range(3):
                await asyncio.sleep(2)
                await items.put(number)

        producer = asyncio.create_task(produce())
        for _ in range(3):
            log(await asyncio.wait_for(items.get(), 5))
        await producer

    asyncio.run(run())


@timeline(("a", 1.0), ("b", 2.0), elapsed_s=2)
def loops_in_two_threads(log):
    async def work(name, seconds):
        await asyncio.sleep(seconds)
        log(name)

    with futures.ThreadPoolExecutor() as pool:
        jobs = [pool.submit(asyncio.run, work(name, seconds)) for name, seconds in (("a", 1), ("b", 2))]
        futures.wait(jobs)


@timeline(("trial", 3.0), elapsed_s=3)
def contexts_are_carried(log):
    name = contextvars.ContextVar("name")
    name.set("trial")

    async def run():
        await asyncio.to_thread(time.sleep, 3)
        log(await asyncio.to_thread(name.get))

    asyncio.run(run())


@timeline(("polled", 3.0), elapsed_s=3)
def polling(log):
    with futures.ThreadPoolExecutor() as pool:
        job = pool.submit(time.sleep, 3)
        while not job.done():
            time.sleep(0.5)
        log("polled")


@timeline(("spun", 0.0), elapsed_s=3)
def spinning_task_and_a_thread(log):
    async def run():
        flag: list[int] = []
        job = asyncio.create_task(asyncio.to_thread(flag.append, 1))
        while not flag:  # noqa: ASYNC110, this is what it is about
            await asyncio.sleep(0)
        log("spun")
        await job
        await asyncio.sleep(3)

    asyncio.run(run())
