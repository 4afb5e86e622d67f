"""The chat models of the reference graphs: they answer alike every time, and are retried by nobody but the graph."""

from langchain_openai import ChatOpenAI


def chat_model(name: str, *, max_tokens: int, timeout_s: float | None = None) -> ChatOpenAI:
    """A deterministic chat model; `max_tokens` bounds each answer."""
    return ChatOpenAI(
        model=name,
        temperature=0,
        seed=7,
        max_tokens=max_tokens,  # type: ignore[call-arg]  # an alias that the plugin-less mypy cannot see
        timeout=timeout_s,
        max_retries=0,
        use_responses_api=False,
        extra_body={"cache_prompt": False},
    )
