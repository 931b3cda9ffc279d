"""What an engine is and says: its kind, the models at its address, answers with their tokens, and how likely it finds a text."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import httpx

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.chat import Messages
from ftkit.models.constrain import body_options

Kind = Literal["vllm", "llama.cpp", "other"]
LIKELIEST = 100
"""Tokens whose probability llama.cpp is asked for at each place of a text."""


@dataclass
class Said:
    """What an engine answered to one prompt.

    Attributes:
        text: The answer.
        prompt_tokens: Tokens that it read.
        completion_tokens: Tokens that it wrote, the end token included.
        prompt_ids: The prompt's tokens as it sees them; None where it tells none.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    prompt_ids: list[int] | None = None

    @property
    def prompt_sha256(self) -> str:
        """Hash of the prompt's tokens; empty where they are not known."""
        if self.prompt_ids is None:
            return ""
        return hashlib.sha256(json.dumps(self.prompt_ids).encode()).hexdigest()[:16]


@dataclass
class EngineClient:
    """An engine at its address.

    Args:
        url: Base URL, e.g. ``http://127.0.0.1:8000/v1``.
        name: Name of the model that is asked.
        token: Bearer token; empty: none.
        more: Fields of every chat request as they are.

    Attributes:
        kind: What it is, by its own routes.
        version: As it tells; empty where it tells none.
        models: Names of the models at its address: the base, then its adapters.
    """

    url: str
    name: str
    token: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    kind: Kind = "other"
    version: str = ""
    models: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = self.url.rstrip("/")
        self.root = self.url.removesuffix("/v1")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.http = httpx.Client(headers=headers, timeout=httpx.Timeout(600, connect=10))

    def open(self) -> EngineClient:
        """Find out what it is and which models it serves.

        Raises:
            BadInput: Nothing answers, it is no OpenAI-compatible server, or it does not serve the model.
        """
        self.look()
        if self.name not in self.names:
            raise BadInput(
                f"the engine serves no model '{self.name}' but {', '.join(self.names) or 'none'}",
                where=self.url,
                todo="start it from the export's serving files (vllm.sh), or load the adapter by that name",
            )
        return self

    def look(self) -> None:
        """Read which models it serves, and what it is.

        Raises:
            BadInput: Nothing answers, or it is no OpenAI-compatible server.
        """
        try:
            reply = self.http.get(f"{self.url}/models")
            self.models = list(reply.json()["data"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"no OpenAI-compatible engine answers: {str(error)[:120] or type(error).__name__}",
                where=self.url,
                todo="start it, and name its base URL, which ends in /v1",
            ) from error
        self._recognise()

    def load_adapter(self, name: str, folder: Path) -> None:
        """Load an adapter under a name; one that is there under that name stays.

        Raises:
            BadInput: The engine loads none while it runs, cannot read this one, or its rank is above its limit.
        """
        body = {"lora_name": name, "lora_path": str(folder.resolve())}
        reply = self._adapters("load", body)
        told = reply.text if reply is not None else "it has no such route"
        if reply is None or (reply.status_code >= 400 and "already" not in told):
            raise BadInput(
                f"the engine does not load the adapter '{name}': {_words(told)}",
                where=self.url,
                todo="start vLLM by vllm.sh with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, a --max-lora-rank of the adapter's, and the folder under the same path",
            )
        self.look()

    def unload_adapter(self, name: str) -> None:
        """Take an adapter out again; an engine that keeps it does no harm."""
        self._adapters("unload", {"lora_name": name})

    def _adapters(self, what: str, body: dict[str, str]) -> httpx.Response | None:
        """Return what the engine says, by vLLM's route or SGLang's; None where it has neither."""
        for root in (self.url, self.root):
            with contextlib.suppress(httpx.HTTPError):
                reply = self.http.post(f"{root}/{what}_lora_adapter", json=body)
                if reply.status_code not in (404, 405) or "cannot be found" in reply.text:
                    return reply
        return None

    def _recognise(self) -> None:
        owners = {str(m.get("owned_by", "")).lower() for m in self.models}
        self.kind = "vllm" if "vllm" in owners else "llama.cpp" if "llamacpp" in owners else "other"
        with contextlib.suppress(httpx.HTTPError, ValueError, AttributeError):
            if self.kind == "vllm":
                self.version = str(self.http.get(f"{self.root}/version").json().get("version", ""))
            elif self.kind == "llama.cpp":
                told = self.http.get(f"{self.root}/props").json()
                self.version = str(told.get("build_info", ""))

    @property
    def names(self) -> list[str]:
        """The models that it serves."""
        return [str(m.get("id", "")) for m in self.models]

    @property
    def base(self) -> str:
        """Name of the base beside the adapter that is asked; empty where there is none."""
        mine = next((m for m in self.models if m.get("id") == self.name), {})
        parent = str(mine.get("parent") or "")
        return parent if parent in self.names and parent != self.name else ""

    def as_model(self, name: str, **more: Any) -> EngineClient:
        """Return the same engine, asked for another of its models or with further fields."""
        return EngineClient(
            self.url, name, self.token, self.more | more, self.kind, self.version, self.models
        )

    def chat(self, messages: Messages, form: ResponseFormat | None, max_tokens: int) -> Said:
        """Return its greedy answer.

        Raises:
            FtkitError: It refuses the request or gives no answer.
        """
        body = self.body(messages, form, max_tokens)
        body |= {"return_token_ids": True} if self.kind == "vllm" else {}
        done = self._post(f"{self.url}/chat/completions", body)
        try:
            usage, text = done["usage"], done["choices"][0]["message"].get("content") or ""
            said = Said(text.strip(), usage["prompt_tokens"], usage["completion_tokens"])
        except (KeyError, IndexError, TypeError) as error:
            raise FtkitError(
                "the engine's reply is no chat completion", where=self.url, todo="see its log"
            ) from error
        said.prompt_ids = done.get("prompt_token_ids") or self._template_ids(messages)
        return said

    def body(
        self, messages: Messages, form: ResponseFormat | None, max_tokens: int
    ) -> dict[str, Any]:
        """Return a chat request as this engine takes it."""
        body: dict[str, Any] = {"model": self.name, "messages": messages, "temperature": 0}
        body |= {"max_tokens": max_tokens} | (self._held(form) if form else {})
        return body | self.more

    def _held(self, form: ResponseFormat) -> dict[str, Any]:
        """Return the fields that hold an answer within a format: labels go to llama.cpp as its own grammar."""
        if form.kind == "choice" and self.kind == "llama.cpp":
            words = " | ".join(json.dumps(word, ensure_ascii=False) for word in form.value)
            return {"grammar": f"root ::= {words}"}
        return body_options(form)

    def _template_ids(self, messages: Messages) -> list[int] | None:
        """Return the prompt's tokens as llama.cpp's server writes it; None elsewhere."""
        if self.kind != "llama.cpp":
            return None
        written = self._post(f"{self.root}/apply-template", {"messages": messages} | self.more)
        body = {"content": written["prompt"], "add_special": False, "parse_special": True}
        return self._post(f"{self.root}/tokenize", body)["tokens"]

    def mean_logprob(self, prompt_ids: Sequence[int], answer_ids: Sequence[int]) -> float:
        """Return the mean log-probability per token that it gives to an answer, in nats; NaN where it tells none."""
        return fmean(self.logprobs(prompt_ids, answer_ids))

    def logprobs(self, prompt_ids: Sequence[int], answer_ids: Sequence[int]) -> list[float]:
        """Return the log-probability that it gives to each token of an answer, in nats; NaN where it tells none.

        Args:
            prompt_ids: The prompt's tokens.
            answer_ids: The answer's tokens, its end token included.
        """
        prompt, answer = list(prompt_ids), list(answer_ids)
        if self.kind == "llama.cpp":
            return [self._llama_logprob(prompt + answer[:i], t) for i, t in enumerate(answer)]
        if self.kind != "vllm":
            return [math.nan] * len(answer)
        body = {"model": self.name, "prompt": prompt + answer, "max_tokens": 1}
        body |= {"temperature": 0, "prompt_logprobs": 0, "add_special_tokens": False}
        told = self._post(f"{self.url}/completions", body)["choices"][0]["prompt_logprobs"]
        places = zip(told[len(prompt) :], answer, strict=True)
        return [float(place[str(token)]["logprob"]) for place, token in places]

    def _llama_logprob(self, prompt: list[int], token: int) -> float:
        body = {"prompt": prompt, "n_predict": 1, "n_probs": LIKELIEST, "temperature": 0}
        told = self._post(f"{self.root}/completion", body | {"cache_prompt": True})
        first = (told.get("completion_probabilities") or [{}])[0]
        found = {t["id"]: t["logprob"] for t in first.get("top_logprobs", [])}
        return float(found.get(token, math.nan))

    def _post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            reply = self.http.post(url, json=body)
            done = reply.json()
        except (httpx.HTTPError, ValueError) as error:
            raise FtkitError(
                f"the engine does not answer: {str(error)[:160] or type(error).__name__}",
                where=url,
                todo="see its log",
            ) from error
        if reply.status_code != 200 or not isinstance(done, dict):
            raise FtkitError(
                f"the engine refuses (HTTP {reply.status_code}): {_words(reply.text)}",
                where=url,
                todo="a field that it does not know means that it is older, or has it switched off",
            )
        return done


def _words(text: str) -> str:
    """Return an engine's own words on a refusal, in one line."""
    try:
        told: Any = json.loads(text)
    except ValueError:
        told = text
    told = told.get("error", told) if isinstance(told, dict) else told
    told = told.get("message", told) if isinstance(told, dict) else told
    return " ".join(str(told).split())[:200]
