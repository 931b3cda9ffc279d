"""A GGUF file as a chat model, by llama.cpp's Python binding: to see whether it answers as what was tested."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.records.prompting import ResponseFormat
from ftkit.models import tokens
from ftkit.models.chat import Messages, Reply

TRY = """
import sys
from llama_cpp import Llama
model = Llama(sys.argv[1], n_ctx=64, logits_all=True, verbose=False)
next(model.generate(model.tokenize(b"a b c", add_bos=False), top_k=1, temp=0.0))
"""


def trial(file: Path) -> str:
    """Let llama.cpp write one token in a process of its own, and return why it cannot; empty: it can.

    A build for another processor dies without a word, and would take a notebook with it.
    """
    done = subprocess.run(
        [sys.executable, "-c", TRY, str(file)], capture_output=True, text=True, check=False
    )
    if not done.returncode:
        return ""
    if "No module named 'llama_cpp'" in done.stderr:
        return "llama-cpp-python is not installed (pip install llama-cpp-python)"
    said = [line for line in done.stderr.splitlines() if line.strip()]
    return (
        f"llama.cpp died with signal {-done.returncode}"
        if done.returncode < 0
        else f"llama.cpp cannot: {said[-1] if said else 'no word'}"
    )


class GgufModel:
    """Greedy answers of a GGUF file. The prompt is written by the tested chat template; its tokens are llama.cpp's own.

    Args:
        file: The file.
        tokenizer: The tested model's tokenizer, for its chat template and end tokens.
        max_new_tokens: Longest answer in tokens.
        context: Longest prompt and answer together, in tokens.
        threads: CPU threads; 0: llama.cpp's choice.

    Raises:
        ImportError: llama-cpp-python is not installed; see ``trial``.
    """

    def __init__(
        self, file: Path, tokenizer: Any, *, max_new_tokens: int, context: int, threads: int = 0
    ) -> None:
        from llama_cpp import Llama  # pyright: ignore[reportMissingImports]

        self.name, self.tokenizer, self.max_new_tokens, self.context = (
            str(file),
            tokenizer,
            max_new_tokens,
            context,
        )
        self.llama: Any = Llama(
            str(file),
            n_ctx=context,
            n_batch=context,
            logits_all=True,
            verbose=False,
            n_threads=threads or None,
        )
        self.ends = {
            int(tokenizer.eos_token_id),
            *tokens.turn_ends(tokenizer),
            int(self.llama.token_eos()),
        }

    def prompt_ids(self, messages: Messages) -> tuple[list[int], int]:
        """Return the prompt's tokens as llama.cpp reads them, and 0: nothing is cut here."""
        text = tokens.template(self.tokenizer, messages, add_generation_prompt=True)
        return self.llama.tokenize(text.encode(), add_bos=False, special=True), 0

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return one reply per conversation; see ``ChatModel``.

        Raises:
            ValueError: An answer shall be held within a format, which this model cannot.
        """
        if any(formats):
            raise ValueError("a GGUF file's answers are not held within a format here")
        replies = []
        for messages in conversations:
            replies.append(self._one(messages))
            if progress:
                progress(len(replies), len(conversations))
        return replies

    def _one(self, messages: Messages) -> Reply:
        began, (prompt, _) = time.perf_counter(), self.prompt_ids(messages)
        if len(prompt) + self.max_new_tokens > self.context:
            return Reply(
                "",
                len(prompt),
                outcome="not_delivered",
                detail=f"the prompt of {len(prompt)} tokens leaves no room for an answer",
            )
        written, likely = [], 0.0
        self.llama.reset()
        for token in self.llama.generate(prompt, top_k=1, temp=0.0, repeat_penalty=1.0):
            likely += _log_softmax(self.llama.scores[len(prompt) + len(written) - 1], token)
            written.append(int(token))
            if token in self.ends or len(written) >= self.max_new_tokens:
                break
        ended = bool(written) and written[-1] in self.ends
        text = (
            self.llama.detokenize(written[:-1] if ended else written)
            .decode("utf-8", errors="replace")
            .strip()
        )
        return Reply(
            text,
            len(prompt),
            len(written),
            time.perf_counter() - began,
            confidence=math.exp(likely),
        )

    def logprobs(self, messages: Messages, text: str) -> list[tuple[str, float]]:
        """Return the tokens of an answer to a prompt, its end token included, each with its log-probability in nats."""
        prompt, _ = self.prompt_ids(messages)
        answer = [
            *self.llama.tokenize(text.encode(), add_bos=False, special=True),
            int(self.tokenizer.eos_token_id),
        ]
        self.llama.reset()
        self.llama.eval([*prompt, *answer])
        places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
        values = [
            _log_softmax(self.llama.scores[at], token)
            for at, token in zip(places, answer, strict=True)
        ]
        words = [
            self.llama.detokenize([token]).decode("utf-8", errors="replace") for token in answer
        ]
        return list(zip(words, values, strict=True))


def _log_softmax(scores: Any, token: int) -> float:
    import numpy as np

    values = np.asarray(scores, dtype=np.float64)
    top = values.max()
    return float(values[token] - top - np.log(np.exp(values - top).sum()))
