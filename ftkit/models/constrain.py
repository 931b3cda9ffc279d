"""Constrained decoding: at each step a model may choose only among tokens that keep its answer within a response format."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.decoding import Phases
from ftkit.models.thinking import STARTS

BLANKS = 2  # tokens of blanks that may stand between a thought and an answer within a format
KEPT = 64  # compiled formats at hand: a server's clients bring their own


def body_options(wanted: ResponseFormat) -> dict[str, Any]:
    """Return the fields of a request by which an OpenAI-compatible server holds its answer within a response format.

    A schema goes by OpenAI's ``response_format``; all else only vLLM's ``structured_outputs`` (since 0.12) can tell.

    Source: https://docs.vllm.ai/en/latest/features/structured_outputs/
    """
    if wanted.kind == "json_schema":
        schema = {"name": "answer", "schema": wanted.value, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    if wanted.kind == "tools":
        named = {"type": "function", "function": {"name": wanted.value}}
        return {
            "tool_choice": wanted.value if wanted.value in ("auto", "required", "none") else named
        }
    return {
        "structured_outputs": {"grammar" if wanted.kind == "lark" else wanted.kind: wanted.value}
    }


def grammar_of(wanted: ResponseFormat) -> str:
    """Return a response format as llguidance's grammar; JSON is written with the blanks that it names and no others.

    Raises:
        BadInput: It cannot be read.

    Source: llguidance (Earley parser with a token trie), as vLLM and llama.cpp use it.
    """
    import llguidance

    try:
        if wanted.kind == "json_schema":
            between = (", ", ": ") if wanted.blanks else (",", ":")
            compiler = llguidance.JsonCompiler(whitespace_flexible=False, separators=between)
            return compiler.compile(json.dumps(wanted.value))
        if wanted.kind == "choice":
            words = " | ".join(json.dumps(word, ensure_ascii=False) for word in wanted.value)
            return llguidance.LLMatcher.grammar_from_lark(f"start: {words}")
        if wanted.kind == "regex":
            return llguidance.LLMatcher.grammar_from_regex(wanted.value)
        return llguidance.LLMatcher.grammar_from_lark(wanted.value)
    except (ValueError, TypeError) as error:
        raise _unreadable(wanted, str(error)) from error


def _unreadable(wanted: ResponseFormat, told: str) -> BadInput:
    found = (
        f"the {wanted.kind} cannot be used for constrained decoding: {' '.join(told.split())[:200]}"
    )
    return BadInput(found, where="response_format", todo="correct it, or leave it away")


class Constrainer:
    """Makes what holds a model's answers within response formats.

    Args:
        tokenizer: The model's tokenizer, a fast one.
        width: Entries of the model's logits.
        ends: Tokens that end an answer.

    Raises:
        BadInput: The tokenizer is not a fast one, so its tokens cannot be held against a grammar.
    """

    def __init__(self, tokenizer: Any, width: int, ends: Sequence[int]) -> None:
        import llguidance
        from llguidance.hf import from_tokenizer

        try:
            self.tokens = from_tokenizer(tokenizer, max(width, len(tokenizer)), list(ends))
        except ValueError as error:
            raise BadInput(
                f"constrained decoding needs a fast tokenizer: {error}",
                where="tokenizer",
                todo="set constrained to false",
            ) from error
        self.encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
        self.executor, self._compiled = llguidance.LLExecutor(), OrderedDict[str, Any]()

    def matcher(self, wanted: ResponseFormat) -> Any:
        """Return a fresh matcher of a format.

        Raises:
            BadInput: The format cannot be read or is too large.
        """
        from llguidance import LLMatcher

        key = wanted.model_dump_json()
        if key not in self._compiled:
            found = LLMatcher(self.tokens, grammar_of(wanted), log_level=0)
            if found.is_error():
                raise _unreadable(wanted, found.get_error())
            self._compiled[key] = found
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        return self._compiled[key].deep_copy()

    def processor(
        self, formats: Sequence[ResponseFormat | None], phases: Phases | None = None
    ) -> Any:
        """Return a list of logits processors for one batch of answers.

        Args:
            formats: One per row of the batch; None leaves a row free.
            phases: Where each row of a model that thinks is; its format holds from the answer's beginning on.
        """
        from transformers import LogitsProcessorList

        return LogitsProcessorList(
            [_Masks(self, [self.matcher(f) if f else None for f in formats], phases)]
        )


class _Masks:
    """Sets the logits of tokens that leave the format to minus infinity; called by ``generate`` at each step.

    While a row thinks it is free. One that has written nothing yet may begin its format or a thought.
    """

    def __init__(
        self, constrainer: Constrainer, matchers: list[Any], phases: Phases | None = None
    ) -> None:
        self.executor, self.tokens = constrainer.executor, constrainer.tokens
        self.matchers, self.phases = matchers, phases
        self.waiting: list[list[int]] = [[] for _ in matchers]
        self.thought = [False] * len(matchers)
        self.begun = False
        encode = constrainer.encode
        self.openers = {encode(start)[0] for start in STARTS} if phases else set()
        self.blanks = (
            {ids[0] for text in (" ", "\n", "\n\n") if len(ids := encode(text)) == 1}
            if phases
            else set()
        )

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

        if self.phases:
            self.phases.update(input_ids)
        if self.begun:
            for row, token in enumerate(input_ids[:, -1].tolist()):
                self._take(row, token)
        self.begun = True
        for matcher in self.matchers:
            if matcher is not None and matcher.is_error():
                raise BadInput(
                    matcher.get_error()[:200],
                    where="response_format",
                    todo="make the format simpler",
                )
        rows = [
            (m, row)
            for row, m in enumerate(self.matchers)
            if m is not None and self._phase(row) != "thinking" and not self.waiting[row]
        ]  # one that is done allows end tokens only
        if not rows:
            return scores
        bits = allocate_token_bitmask(len(self.matchers), self.tokens.vocab_size)
        fill_next_token_bitmask_par(self.executor, rows, bits)
        words = torch.from_numpy(bits).to(scores.device)
        allowed = (
            words.unsqueeze(-1) >> torch.arange(32, device=scores.device, dtype=torch.int32)
        ) & 1
        allowed = allowed.flatten(1)[:, : scores.shape[1]]
        for _, row in rows:
            more = self._more(row)
            if more:
                allowed[row, list(more)] = 1
        return scores.masked_fill(allowed == 0, float("-inf"))

    def _phase(self, row: int) -> str:
        return self.phases.phase[row] if self.phases else "answer"

    def _more(self, row: int) -> set[int]:
        """Return tokens allowed beside the format's: a thought's beginning, blanks right after its end."""
        if self._phase(row) == "undecided":
            return self.openers
        after = self.phases is not None and self.thought[row]
        if after and self.phases and self.phases.seen - self.phases.since[row] < BLANKS:
            return self.blanks
        return set()

    def _take(self, row: int, token: int) -> None:
        """Let a row's matcher read its last token, if that belongs to the answer."""
        matcher, phase = self.matchers[row], self._phase(row)
        if matcher is None or matcher.is_stopped():
            return
        if phase == "thinking":
            self.thought[row], self.waiting[row] = True, []
        elif phase == "undecided":
            self.waiting[row].append(token)
        elif self.phases and self.phases.since[row] == self.phases.seen > 0:
            self.thought[row] = True  # this token was the end of its thought
        else:
            for each in [*self.waiting[row], token]:
                blank = self.thought[row] and each in self.blanks
                if blank and matcher.validate_tokens([each]) != 1:
                    continue
                matcher.consume_token(each)
            self.waiting[row] = []
