"""Caches of the code under test: what they answer makes no request, so it is noted here, and nothing of one trial answers another."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import get_llm_cache
from langchain_core.outputs import LLMResult
from langgraph.cache.base import BaseCache, FullKey, Namespace
from langgraph.cache.memory import InMemoryCache as InMemoryNodeCache

from harness.observe import Observer
from harness.plain import plain
from harness.trace import CachedAnswer, Usage

_MOMENT_S = 1e-6
"""In virtual time it passes when every thread of the trial waits."""

_NODE_KEY = 3
"""How many parts the namespace of a cached node's writes has; the last is its name."""


def empty_model_cache() -> None:
    """Empty LangChain's in-memory model cache."""
    cache = get_llm_cache()
    if isinstance(cache, InMemoryCache):
        cache.clear()


class CachedModels(BaseCallbackHandler):
    """Notes the answers that a model cache gave: langchain-core marks them with a cost of nothing."""

    run_inline = True
    ignore_chat_model = True
    ignore_chain = True
    ignore_agent = True
    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.noted: list[tuple[CachedAnswer, str]] = []

    def on_llm_end(self, response: LLMResult, **_kwargs: Any) -> None:
        """Note an answer if it is a cached one."""
        messages = [getattr(each, "message", None) for generations in response.generations for each in generations]
        for message in messages:
            usage = getattr(message, "usage_metadata", None) or {}
            if usage.get("total_cost") == 0:
                place, span = self._observer.position()
                model = getattr(message, "response_metadata", {}).get("model_name")
                self.noted.append((CachedAnswer(place=place, model=model, usage=_usage(usage)), span))


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    if "input_tokens" not in usage:
        return None
    return Usage(input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"])


@contextmanager
def watched_nodes(graph: Any, observer: Observer) -> Iterator[None]:
    """Note the visits that the graph's own cache answers, which run no code of the node; one in memory is emptied first."""
    cache = getattr(graph, "cache", None)
    if cache is None:
        yield
        return
    if isinstance(cache, InMemoryNodeCache):
        cache.clear()
    graph.cache = _Watched(cache, observer)
    try:
        yield
    finally:
        graph.cache = cache


class _Watched(BaseCache[Any]):
    """A cache that tells which nodes it answers for."""

    def __init__(self, cache: BaseCache[Any], observer: Observer) -> None:
        super().__init__(serde=cache.serde)
        self._cache, self._observer = cache, observer

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return what is cached, once what LangGraph keeps in the background is kept."""
        time.sleep(_MOMENT_S)
        return self._noted(self._cache.get(keys))

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return what is cached, once what LangGraph keeps in the background is kept."""
        await asyncio.sleep(_MOMENT_S)
        return self._noted(await self._cache.aget(keys))

    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values."""
        self._cache.set(pairs)

    async def aset(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values."""
        await self._cache.aset(pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget values."""
        self._cache.clear(namespaces)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget values."""
        await self._cache.aclear(namespaces)

    def _noted(self, found: dict[FullKey, Any]) -> dict[FullKey, Any]:
        hits = [(namespace[-1], key, writes) for (namespace, key), writes in found.items() if len(namespace) == _NODE_KEY]
        self._observer.on_cached_visits([(node, _update(writes)) for node, _, writes in sorted(hits, key=lambda hit: hit[:2])])
        return found


def _update(writes: Any) -> Any:
    """Return what a node wrote as its update: the channels that hold state."""
    pairs = [(pair[0], pair[1]) for pair in writes if isinstance(pair, list | tuple)]
    return plain({channel: value for channel, value in pairs if isinstance(channel, str) and not channel.startswith(("branch:", "__"))})
