"""Local models: any Hugging Face causal checkpoint that answers, with or without an adapter."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import REPETITION, Outcome, Thinking
from ftkit.models import prefix_cache, tokens
from ftkit.models import thinking as thoughts
from ftkit.models.chat import Messages, Reply
from ftkit.models.constrain import Constrainer
from ftkit.models.decoding import AnswerStreamer, Confidence, Phases, Reader, Rooms
from ftkit.models.load import (
    check_fit,
    end_tokens,
    follow_load,
    load_model,
    load_tokenizer,
    set_threads,
)
from ftkit.models.ranked import Ranker
from ftkit.models.shared import Weights
from ftkit.models.tool_forms import tools_of
from ftkit.models.weights import check_base, resolve
from ftkit.scoring.tool_calls import read_answer

THINKING_TOKENS = 1024


class LocalModel:
    """A local checkpoint that answers in length-sorted static batches, greedily.

    Args:
        base_model: A named base, a folder or a Hugging Face name.
        adapter: Folder of a LoRA adapter, or of a fully tuned model, or None.
        max_new_tokens: Longest answer in tokens.
        batch_size: Answers generated at once.
        threads: CPU threads, 0 for what is free.
        thinking: Whether it thinks before it answers; off where its family can turn it off.
        thinking_tokens: Longest thought in tokens, beside the answer's room; only used where it may think.
        beside: A model of the same base that is loaded already; its weights are shared, with this adapter beside its own. One
            of both may answer at a time.

    Raises:
        BadInput: Model, tokenizer or adapter cannot be used; see ``resolve`` and ``load_model``.
    """

    def __init__(
        self,
        base_model: str,
        *,
        adapter: Path | None = None,
        max_new_tokens: int = 64,
        batch_size: int = 16,
        threads: int = 0,
        thinking: Thinking = "off",
        thinking_tokens: int = THINKING_TOKENS,
        beside: LocalModel | None = None,
    ) -> None:
        self.threads = threads
        set_threads(threads)
        if adapter is not None and not (adapter / "adapter_config.json").exists():
            base_model, adapter = str(adapter), None
        folder = resolve(base_model)
        self.folder, self.name = Path(folder), base_model
        if beside is not None and beside.folder == self.folder:
            if adapter is not None:
                check_base(adapter, self.folder)
            self.tokenizer, self.weights = beside.tokenizer, beside.weights
            self.adapter = self.weights.add(adapter)
        else:
            self.tokenizer, self.weights = (
                load_tokenizer(folder),
                Weights(load_model(folder, adapter)),
            )
            self.adapter = self.weights.active
            check_fit(self.model, self.tokenizer, folder)
        self.max_new_tokens, self.batch_size = max_new_tokens, batch_size
        self.context = int(getattr(self.model.config, "max_position_embeddings", 0) or 4096)
        self.tool_form = tokens.tool_form(self.tokenizer)
        self.reader = Reader(self.tokenizer, self.tool_form.written)
        self.thinking_tokens = thinking_tokens
        self._think(thinking)
        self._greedy()

    @property
    def model(self) -> Any:
        """The weights as a transformers or PEFT model."""
        return self.weights.model

    @property
    def parameters(self) -> int:
        """Parameters of the weights, packed ones counted one by one."""
        return int(self.model.num_parameters())

    def _think(self, thinking: Thinking) -> None:
        """Set whether it thinks.

        Raises:
            BadInput: The family cannot think, or thought and answer leave no room for a prompt.
        """
        self.form = tokens.form(self.tokenizer, thinking)
        self.thinking: Thinking = thinking
        self.room = self.max_new_tokens + (self.thinking_tokens if self.form.thinks else 0)
        if self.room < self.context:
            return
        told = f"max_new_tokens {self.max_new_tokens}"
        if self.form.thinks:
            told += f" and thinking_tokens {self.thinking_tokens}"
        raise BadInput(
            f"{told}: leaves no room for a prompt in the model's context of {self.context}",
            where="thinking_tokens" if self.form.thinks else "max_new_tokens",
            todo=f"use less than {self.context}{' together' if self.form.thinks else ''}",
        )

    def with_thinking(self, thinking: Thinking) -> LocalModel:
        """Return the same model, its weights shared, under another setting of thinking."""
        other = copy.copy(self)
        other._think(thinking)
        return other

    def close(self) -> None:
        """Free this model's adapter, where the base is shared with others."""
        self.weights.drop(self.adapter)

    def _greedy(self) -> None:
        """Replace the checkpoint's generation settings, whose sampling or penalties would change greedy answers."""
        from transformers import GenerationConfig

        self.ends, pad = end_tokens(self.model, self.tokenizer), self.tokenizer.pad_token_id
        self.model.generation_config = GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            num_beams=1,
            use_cache=True,
            pad_token_id=pad,
            eos_token_id=self.ends,
        )

    def prompt_ids(self, messages: Messages) -> tuple[list[int], int]:
        """Return the prompt's token ids and how many were cut (not from the system turn) to leave room for the answer."""
        return tokens.fit(self.tokenizer, messages, self.context - self.room, self.thinking)

    @cached_property
    def constrainer(self) -> Constrainer:
        """What holds answers within a response format."""
        head = self.model.get_output_embeddings()
        return Constrainer(self.tokenizer, int(head.weight.shape[0]), self.ends)

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return one reply per conversation, in the same order; long prompts are answered first. See ``ChatModel``."""
        prompts = [self.prompt_ids(messages) for messages in conversations]
        wanted = self._formats(conversations, list(formats) or [None] * len(prompts))
        replies: dict[int, Reply] = {}
        prefix = self._prefix([ids for ids, _ in prompts])
        for index, form in enumerate(wanted):
            if form is not None and form.ranked and not self.form.thinks:
                replies[index] = self._likeliest(prompts[index], form.value, prefix)
                if progress:
                    progress(len(replies), len(prompts))
        order = sorted(
            (i for i in range(len(prompts)) if i not in replies), key=lambda i: -len(prompts[i][0])
        )
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            follow_load(self.threads)
            for index, reply in zip(
                batch,
                self._batch([prompts[i] for i in batch], [wanted[i] for i in batch], prefix),
                strict=True,
            ):
                replies[index] = reply
            if progress:
                progress(len(replies), len(prompts))
        return [self._called(replies[i], messages) for i, messages in enumerate(conversations)]

    def _formats(
        self, conversations: Sequence[Messages], formats: Sequence[ResponseFormat | None]
    ) -> list[ResponseFormat | None]:
        """Return formats in which tools are called as this family writes it."""
        known = self.tokenizer.added_tokens_decoder.items()
        special = {str(token): number for number, token in known if token.special}

        def within(text: str) -> dict[str, int]:
            return {name: number for name, number in special.items() if name in text}

        return [
            self.tool_form.format_of(form, tools_of(messages), within)
            if form is not None and form.kind == "tools"
            else form
            for messages, form in zip(conversations, formats, strict=True)
        ]

    def _called(self, reply: Reply, messages: Messages) -> Reply:
        """Return a reply whose tool calls are the answer's JSON, where functions were declared."""
        tools = tools_of(messages)
        if tools and reply.is_answer:
            reply.text = self.tool_form.read(reply.text, tools)
        return reply

    def _prefix(self, prompts: Sequence[list[int]]) -> prefix_cache.Prefix | None:
        """Return the beginning that all prompts share, read; None where there is none that pays."""
        length = prefix_cache.shared(prompts)
        if not length:
            return None
        with self.weights.using(self.adapter) as model:
            return prefix_cache.read(model, prompts[0][:length])

    def _likeliest(
        self,
        prompt: tuple[list[int], int],
        choices: Sequence[str],
        prefix: prefix_cache.Prefix | None = None,
    ) -> Reply:
        """Return the choice that the model finds likeliest as a whole, its end token included; the first of equals."""
        began = time.perf_counter()
        ids = [
            [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.end]
            for text in choices
        ]
        with self.weights.using(self.adapter) as model:
            ranker = Ranker(model, self.tokenizer.pad_token_id, self.batch_size)
            best, share = ranker.best(prompt[0], ids, prefix)
        seconds = time.perf_counter() - began
        return Reply(
            choices[best], len(prompt[0]), len(ids[best]), seconds, prompt[1], confidence=share
        )

    @property
    def end(self) -> int:
        """The token with which this family ends an answer."""
        return self.form.ends[0] if self.form.ends else int(self.tokenizer.eos_token_id)

    def _controls(
        self, prompt: Any, formats: Sequence[ResponseFormat | None], sure: Confidence | None = None
    ) -> tuple[dict[str, Any], dict[int, int]]:
        """Return the options of ``generate`` for a batch: formats, confidence and rooms; and after how many tokens the rooms
        have cut which row, filled while it runs.

        Args:
            prompt: Token ids of the padded prompts, shape ``[batch, prompt]``.
            formats: What each row is held within.
            sure: Notes how sure the model was of each token; the last, so that it sees what is chosen from.
        """
        from transformers import LogitsProcessorList, StoppingCriteriaList

        phases = Phases(self.reader, self.form, prompt.shape[1], len(formats))
        processors = LogitsProcessorList()
        if any(formats):
            watched = phases if self.form.thinks else None
            processors += self.constrainer.processor(formats, watched)
        if sure is not None:
            processors.append(sure)
        options: dict[str, Any] = {"max_new_tokens": self.room}
        if processors:
            options["logits_processor"] = processors
        if not self.form.thinks:
            return options, {}
        rooms = Rooms(phases, self.thinking_tokens, self.max_new_tokens, self.ends)
        return options | {"stopping_criteria": StoppingCriteriaList([rooms])}, rooms.cut

    def _batch(
        self,
        prompts: list[tuple[list[int], int]],
        formats: Sequence[ResponseFormat | None],
        prefix: prefix_cache.Prefix | None = None,
    ) -> list[Reply]:
        import torch

        began, sure = time.perf_counter(), Confidence()
        ids, mask = self._padded([ids for ids, _ in prompts], len(prefix.ids) if prefix else 0)
        options, cut = self._controls(ids, formats, sure)
        options |= prefix.options(len(prompts)) if prefix else {}
        try:
            with torch.inference_mode(), self.weights.using(self.adapter) as model:
                out = model.generate(input_ids=ids, attention_mask=mask, **options)
                out = out[:, ids.shape[1] :]
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise FtkitError(
                    "out of memory while answering", where=self.name, todo="lower batch_size"
                ) from error
            raise
        seconds = (time.perf_counter() - began) / len(prompts)
        told = sure.by_row()
        return [
            self._reply(row[: cut.get(i)], prompt, seconds, each)
            for i, (row, prompt, each) in enumerate(zip(out.tolist(), prompts, told, strict=True))
        ]

    def _padded(self, prompts: list[list[int]], shared: int = 0) -> tuple[Any, Any]:
        """Return token ids and attention mask of a batch, padded on the left, but behind the tokens that all share."""
        import torch

        pad, width, device = (
            self.tokenizer.pad_token_id,
            max(1, *map(len, prompts)),
            self.model.device,
        )
        rows = [p[:shared] + [pad] * (width - len(p)) + p[shared:] for p in prompts]
        mask = [[1] * shared + [0] * (width - len(p)) + [1] * (len(p) - shared) for p in prompts]
        return torch.tensor(rows, device=device), torch.tensor(mask, device=device)

    def _reply(
        self,
        row: list[int],
        prompt: tuple[list[int], int],
        seconds: float,
        sure: Sequence[float] = (),
    ) -> Reply:
        length = next((i for i, token in enumerate(row) if token in self.ends), len(row))
        written, ids = min(length + 1, len(row)), row[:length]
        split = thoughts.split(self.reader.text(ids), opened=self.form.opened)
        thought = self.reader.begins(ids, self.form.opened)
        outcome, detail = self._outcome(split, length < len(row))
        confidence = math.exp(sum(sure[thought:written])) if sure else math.nan
        return Reply(
            split.answer,
            len(prompt[0]),
            written,
            seconds,
            prompt[1],
            confidence=confidence,
            outcome=outcome,
            detail=detail,
            thought=split.thought,
            thought_tokens=thought,
        )

    def _outcome(self, split: thoughts.Split, ended: bool) -> tuple[Outcome, str]:
        """Return how a reply ended, and the parameter to raise where it was cut off (``repetition``: none would help)."""
        if not ended or not split.closed:
            if thoughts.repeats(split.answer or split.thought):
                return "cut_off", REPETITION
            return "cut_off", "max_new_tokens" if split.closed else "thinking_tokens"
        if split.unknown and not split.answer:
            return "malformed", f"channel {split.unknown}"
        return ("answered" if split.answer else "empty"), ""

    def sample(
        self,
        conversations: list[Messages],
        n: int,
        temperature: float,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
        response_format: ResponseFormat | None = None,
    ) -> list[list[str]]:
        """Return ``n`` drawn answers per conversation, in the same order.

        Args:
            conversations: What is asked.
            n: Answers of each.
            temperature: Above 0; 1 is the model's own distribution.
            seed: Seed of the draws.
            progress: Called with conversations done and in all.
            response_format: What all answers are held within; None leaves them free.
        """
        import torch

        prompts = [self.prompt_ids(messages)[0] for messages in conversations]
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        found: dict[int, list[str]] = {}
        torch.manual_seed(seed)
        size = max(1, self.batch_size // n)
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            ids, mask = self._padded([prompts[i] for i in batch])
            asked = [conversations[i] for i in batch for _ in range(n)]
            options, cut = self._controls(ids, self._formats(asked, [response_format] * len(asked)))
            with torch.inference_mode(), self.weights.using(self.adapter) as model:
                out = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    do_sample=True,
                    temperature=temperature,
                    num_return_sequences=n,
                    **options,
                )
            rows = out[:, ids.shape[1] :].tolist()
            texts = [
                self._called(self._reply(row[: cut.get(k)], ([], 0), 0.0), asked[k]).text
                for k, row in enumerate(rows)
            ]
            found.update({place: texts[k * n : (k + 1) * n] for k, place in enumerate(batch)})
            if progress:
                progress(len(found), len(order))
        return [found[i] for i in range(len(conversations))]

    def logprobs(self, messages: Messages, text: str) -> list[tuple[str, float]]:
        """Return the tokens of an answer to a prompt, its end token included, each with its log-probability in nats."""
        import torch

        prompt, _ = self.prompt_ids(messages)
        called = read_answer(text) if tools_of(messages) else None
        text = self.tool_form.write(called) if called else text
        answer = [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.end]
        ids = torch.tensor([prompt + answer], device=self.model.device)
        with torch.inference_mode(), self.weights.using(self.adapter) as model:
            logits = model(ids).logits[0, len(prompt) - 1 : -1].float()
        chosen = torch.log_softmax(logits, -1).gather(1, ids[0, len(prompt) :, None])[:, 0]
        return list(zip(self.tokenizer.convert_ids_to_tokens(answer), chosen.tolist(), strict=True))

    def stream(
        self,
        messages: Messages,
        on_text: Callable[[str], None],
        response_format: ResponseFormat | None = None,
    ) -> Reply:
        """Answer one conversation and hand over the text as it comes; an exception of ``on_text`` ends the generation."""
        import torch

        if response_format is not None and response_format.ranked and not self.form.thinks:
            reply = self.answer([messages], None, [response_format])[0]
            on_text(reply.text)
            return reply
        prompt = self.prompt_ids(messages)
        began, ids = time.perf_counter(), torch.tensor([prompt[0]], device=self.model.device)
        sure = Confidence()
        options, cut = self._controls(ids, self._formats([messages], [response_format]), sure)
        streamer = AnswerStreamer(self.reader, self.form.opened, self.ends, on_text)
        with torch.inference_mode(), self.weights.using(self.adapter) as model:
            out = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), streamer=streamer, **options
            )
        row = out[0, len(prompt[0]) :].tolist()[: cut.get(0)]
        reply = self._reply(row, prompt, time.perf_counter() - began, sure.by_row()[0])
        return self._called(reply, messages)
