"""llama.cpp (Gerganov and others, 2023) by its Python package xllamacpp: greedy generation from a GGUF file.

The server runs in the process, without HTTP, with one slot and no cache of prompts. It is started on first
use, since its threads would disturb the other side.
"""

__all__ = ["LlamaCpp"]

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any


class LlamaCpp:
    """A model in llama.cpp.

    Arguments:
        path: of the GGUF file.
        context: number of tokens that its cache holds.
        threads: for prompts and for decoding.
    """

    def __init__(self, path: Path, context: int, threads: int):
        self.path, self.context, self.threads = path, context, threads

    @cached_property
    def server(self) -> Any:
        """The server with the loaded model."""
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path, params.n_ctx, params.n_parallel = str(self.path), self.context, 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self.threads
        params.n_gpu_layers, params.verbosity = 0, 0
        return xllamacpp.Server(params)

    def generate(self, prompt: Sequence[int], new: int) -> int:
        """Number of tokens that were generated after the prompt, which is `new`."""
        return int(self._complete(prompt, new)["usage"]["completion_tokens"])

    def log_probs(self, prompt: Sequence[int], count: int) -> dict[int, float]:
        """The log-probabilities of the `count` likeliest next tokens."""
        reply = self._complete(prompt, 1, n_probs=count)
        first = reply["choices"][0]["logprobs"]["content"][0]
        return {each["id"]: each["logprob"] for each in first["top_logprobs"]}

    def _complete(self, prompt: Sequence[int], new: int, **options: int) -> Any:
        request = {"prompt": [*prompt], "n_predict": new, "temperature": 0, "ignore_eos": True}
        return self.server.handle_completions(request | {"cache_prompt": False} | options)
