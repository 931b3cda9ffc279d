"""Local models: any Hugging Face causal checkpoint that answers, with or without an adapter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models import tokens
from ftkit.models.chat import Messages, Reply
from ftkit.models.constrain import Constrainer
from ftkit.models.load import (
    check_fit,
    end_tokens,
    follow_load,
    load_model,
    load_tokenizer,
    set_threads,
)
from ftkit.models.shared import Weights
from ftkit.models.weights import check_base, resolve


class Confidence:
    """Notes, as a logits processor of greedy decoding, the log-probability of each chosen token among what may be chosen."""

    def __init__(self) -> None:
        self.steps: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Note the step, scores of shape ``[batch, vocabulary]``, and return them unchanged."""
        held = scores.float()
        self.steps.append(held.amax(-1) - held.logsumexp(-1))
        return scores

    def by_row(self) -> list[list[float]]:
        """Return the log-probabilities in nats of each row's tokens, those after its end included."""
        import torch

        return torch.stack(self.steps, dim=1).tolist()


class LocalModel:
    """A local checkpoint that answers in length-sorted static batches, greedily.

    Args:
        base_model: A named base, a folder or a Hugging Face name.
        adapter: Folder of a LoRA adapter, or of a fully tuned model, or None.
        max_new_tokens: Longest answer in tokens.
        batch_size: Answers generated at once.
        threads: CPU threads, 0 for what is free.
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
        if max_new_tokens >= self.context:
            raise BadInput(
                f"max_new_tokens {max_new_tokens} leaves no room for a prompt in the model's context of {self.context}",
                where="max_new_tokens",
                todo=f"use less than {self.context}",
            )
        self._greedy()

    @property
    def model(self) -> Any:
        """The weights as a transformers or PEFT model."""
        return self.weights.model

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
        return tokens.fit(self.tokenizer, messages, max(1, self.context - self.max_new_tokens))

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
        wanted = list(formats) or [None] * len(prompts)
        replies: dict[int, Reply] = {}
        for index, form in enumerate(wanted):
            if form is not None and form.ranked:
                replies[index] = self._likeliest(prompts[index], form.value)
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
                self._batch([prompts[i] for i in batch], [wanted[i] for i in batch]),
                strict=True,
            ):
                replies[index] = reply
            if progress:
                progress(len(replies), len(prompts))
        return [replies[i] for i in range(len(conversations))]

    def _likeliest(self, prompt: tuple[list[int], int], choices: Sequence[str]) -> Reply:
        """Return the choice that the model finds likeliest as a whole, its end token included; the first of equals."""
        began = time.perf_counter()
        end = int(self.tokenizer.eos_token_id)
        ids = [
            [*self.tokenizer(text, add_special_tokens=False)["input_ids"], end] for text in choices
        ]
        best, share = self._best_choice(prompt[0], ids)
        seconds = time.perf_counter() - began
        return Reply(
            choices[best], len(prompt[0]), len(ids[best]), seconds, prompt[1], confidence=share
        )

    def _best_choice(self, prompt: list[int], choices: list[list[int]]) -> tuple[int, float]:
        """Return which choice is the likeliest after a prompt, the first of equals, and its share of the probability of all
        that were scored; the prompt is read once for all.

        No choice is likelier than its first token. So choices are scored in the order of their first tokens, until the best
        one is likelier than the first tokens of all that are left.
        """
        import copy

        import torch

        with torch.inference_mode(), self.weights.using(self.adapter):
            head = self.model(
                input_ids=torch.tensor([prompt], device=self.model.device), use_cache=True
            )
            name = (
                "cache" if hasattr(head, "cache") else "past_key_values"
            )  # renamed in transformers 5.24
            first = head.logits[:, -1:].float()
            bounds = torch.log_softmax(first[0, 0], -1)[[c[0] for c in choices]].tolist()
            order, scores = (
                sorted(range(len(choices)), key=lambda i: (-bounds[i], i)),
                dict[int, float](),
            )
            for start in range(0, len(order), self.batch_size):
                part = order[start : start + self.batch_size]
                if scores and max(scores.values()) > bounds[part[0]]:
                    break
                cache = copy.deepcopy(getattr(head, name))
                scores |= zip(
                    part,
                    self._continued(first, name, cache, len(prompt), [choices[i] for i in part]),
                    strict=True,
                )
        best = max(sorted(scores), key=scores.__getitem__)
        return best, 1 / sum(math.exp(score - scores[best]) for score in scores.values())

    def _continued(
        self, first: Any, name: str, cache: Any, seen: int, choices: list[list[int]]
    ) -> list[float]:
        """Return the log-probabilities of choices after a prompt of ``seen`` tokens whose cache is used up here."""
        import torch

        width, pad, device = max(map(len, choices)), self.tokenizer.pad_token_id, self.model.device
        targets = torch.tensor([c + [pad] * (width - len(c)) for c in choices], device=device)
        real = torch.tensor([[1] * len(c) + [0] * (width - len(c)) for c in choices], device=device)
        logits = first.expand(len(choices), 1, -1)
        if width > 1:
            cache.batch_repeat_interleave(len(choices))
            mask = torch.cat(
                [torch.ones((len(choices), seen), dtype=torch.long, device=device), real[:, :-1]],
                dim=1,
            )
            more = self.model(
                input_ids=targets[:, :-1], attention_mask=mask, use_cache=True, **{name: cache}
            )
            logits = torch.cat([logits, more.logits.float()], dim=1)
        chosen = torch.log_softmax(logits, -1).gather(2, targets[:, :, None])[:, :, 0]
        return (chosen * real).sum(dim=1).tolist()

    def _held(
        self, formats: Sequence[ResponseFormat | None], sure: Confidence | None = None
    ) -> dict[str, Any]:
        """Return the option of ``generate`` that holds its rows within formats and notes how sure it was of each token."""
        from transformers import LogitsProcessorList

        found = LogitsProcessorList(self.constrainer.processor(formats) if any(formats) else [])
        if sure is not None:
            found.append(sure)  # the last: it sees what is chosen from
        return {"logits_processor": found} if found else {}

    def _batch(
        self, prompts: list[tuple[list[int], int]], formats: Sequence[ResponseFormat | None]
    ) -> list[Reply]:
        import torch

        began, sure = time.perf_counter(), Confidence()
        held = self._held(formats, sure)
        ids, mask = self._padded([ids for ids, _ in prompts])
        try:
            with torch.inference_mode(), self.weights.using(self.adapter) as model:
                out = model.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=self.max_new_tokens, **held
                )[:, ids.shape[1] :]
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise FtkitError(
                    "out of memory while answering", where=self.name, todo="lower batch_size"
                ) from error
            raise
        seconds = (time.perf_counter() - began) / len(prompts)
        told = sure.by_row()
        return [
            self._reply(row, prompt, seconds, each)
            for row, prompt, each in zip(out.tolist(), prompts, told, strict=True)
        ]

    def _padded(self, prompts: list[list[int]]) -> tuple[Any, Any]:
        """Return token ids and attention mask of a batch, padded on the left."""
        import torch

        pad, width = self.tokenizer.pad_token_id, max(1, *map(len, prompts))
        ids = torch.tensor(
            [[pad] * (width - len(p)) + p for p in prompts], device=self.model.device
        )
        mask = torch.tensor(
            [[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.model.device
        )
        return ids, mask

    def _reply(
        self,
        row: list[int],
        prompt: tuple[list[int], int],
        seconds: float,
        sure: Sequence[float] = (),
    ) -> Reply:
        length = next((i for i, token in enumerate(row) if token in self.ends), len(row))
        text = self.tokenizer.decode(row[:length], skip_special_tokens=True).strip()
        written = min(length + 1, len(row))
        confidence = math.exp(sum(sure[:written])) if sure else math.nan
        return Reply(text, len(prompt[0]), written, seconds, prompt[1], confidence=confidence)

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
            with torch.inference_mode(), self.weights.using(self.adapter) as model:
                out = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=self.max_new_tokens,
                    do_sample=True,
                    temperature=temperature,
                    num_return_sequences=n,
                    **self._held([response_format] * (n * len(batch))),
                )
            texts = [self._reply(row, ([], 0), 0.0).text for row in out[:, ids.shape[1] :].tolist()]
            found.update({place: texts[k * n : (k + 1) * n] for k, place in enumerate(batch)})
            if progress:
                progress(len(found), len(order))
        return [found[i] for i in range(len(conversations))]

    def logprobs(self, messages: Messages, text: str) -> list[tuple[str, float]]:
        """Return the tokens of an answer to a prompt, its end token included, each with its log-probability in nats."""
        import torch

        prompt, _ = self.prompt_ids(messages)
        answer = [
            *self.tokenizer(text, add_special_tokens=False)["input_ids"],
            int(self.tokenizer.eos_token_id),
        ]
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
        from transformers import TextStreamer

        if response_format is not None and response_format.ranked:
            reply = self.answer([messages], None, [response_format])[0]
            on_text(reply.text)
            return reply

        class Handed(TextStreamer):
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                on_text(text)

        prompt = self.prompt_ids(messages)
        began, ids = time.perf_counter(), torch.tensor([prompt[0]], device=self.model.device)
        sure = Confidence()
        streamer = Handed(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        with torch.inference_mode(), self.weights.using(self.adapter) as model:
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.max_new_tokens,
                streamer=streamer,
                **self._held([response_format], sure),
            )
        return self._reply(
            out[0, len(prompt[0]) :].tolist(), prompt, time.perf_counter() - began, sure.by_row()[0]
        )
