"""What watches a batch while it is generated: how sure each token was, where thoughts end, and when a room is used up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ftkit.models import thinking
from ftkit.models.tokens import Form

TAIL = 24  # tokens in which a mark that has just been written stands


class Confidence:
    """Notes, as a logits processor of greedy decoding, the log-probability of each chosen token among what may be chosen."""

    def __init__(self) -> None:
        self.steps: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Note the step, scores of shape ``[batch, vocabulary]``, and return them unchanged."""
        values = scores.float()
        self.steps.append(values.amax(-1) - values.logsumexp(-1))
        return scores

    def by_row(self) -> list[list[float]]:
        """Return the log-probabilities in nats of each row's tokens, those after its end included."""
        import torch

        return torch.stack(self.steps, dim=1).tolist()


class Reader:
    """Token ids to text, with the marks of thoughts, channels and calls that a tokenizer holds as special tokens.

    Args:
        tokenizer: The model's tokenizer.
        calls: What the family writes around tool calls.
    """

    def __init__(self, tokenizer: Any, calls: str = "") -> None:
        self.tokenizer = tokenizer
        special = {i: str(t) for i, t in tokenizer.added_tokens_decoder.items() if t.special}
        self.dropped = {
            i for i, text in special.items() if text not in thinking.CONTROL and text not in calls
        }

    def text(self, ids: Sequence[int]) -> str:
        """Return what was written, marks included, all other special tokens left out."""
        shown = [i for i in ids if i not in self.dropped]
        return self.tokenizer.decode(shown, skip_special_tokens=False)

    def begins(self, ids: Sequence[int], opened: bool) -> int:
        """Return how many tokens of a whole reply belong to its thought."""
        whole = thinking.split(self.text(ids), opened=opened)
        if not whole.thought:
            return 0
        if not whole.closed:
            return len(ids)
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            part = thinking.split(self.text(ids[:middle]), opened=opened)
            if part.closed and part.thought == whole.thought:
                high = middle
            else:
                low = middle + 1
        return low


class Phases:
    """Follows each row of a batch through its phases: ``undecided`` (nothing but blanks or half a mark), ``thinking``, ``answer``.

    Args:
        reader: Turns tokens into text.
        form: How the family writes.
        width: Tokens of the padded prompts.
        rows: Rows of the batch.
    """

    def __init__(self, reader: Reader, form: Form, width: int, rows: int) -> None:
        self.reader, self.width, self.seen = reader, width, 0
        first = "thinking" if form.opened else "undecided" if form.thinks else "answer"
        self.phase, self.since = [first] * rows, [0] * rows

    def update(self, input_ids: Any) -> None:
        """Read the tokens up to now, ``[batch, prompt and answer]``; the same step may be told twice."""
        written = input_ids.shape[1] - self.width
        if written == self.seen:
            return
        self.seen = written
        for row, phase in enumerate(self.phase):
            if phase == "answer":
                continue
            new = input_ids[row, self.width :].tolist()
            text = self.reader.text(new if phase == "undecided" else new[-TAIL:])
            now = thinking.phase(text, phase)
            if now != phase:
                self.phase[row] = now
                self.since[row] = written if phase == "thinking" or now == "thinking" else 0
                if now == "thinking":  # a channel's header may name the answer at once
                    self.phase[row] = thinking.phase(text, now)


class Rooms:
    """Ends a row, as a stopping criterion, when its thought or its answer has used up its own room.

    Args:
        phases: The batch's phases.
        thought: Longest thought in tokens.
        answer: Longest answer in tokens.
        ends: Tokens that end a row by itself.
    """

    def __init__(self, phases: Phases, thought: int, answer: int, ends: Sequence[int]) -> None:
        self.phases, self.thought, self.answer, self.ends = phases, thought, answer, set(ends)
        self.done, self.cut = set[int](), dict[int, int]()

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Return which rows are done, shape ``[batch]``; ``cut`` notes after how many tokens."""
        import torch

        self.phases.update(input_ids)
        written, last = self.phases.seen, input_ids[:, -1].tolist()
        self.done |= {row for row, token in enumerate(last) if token in self.ends}
        for row, phase in enumerate(self.phases.phase):
            if row in self.done or row in self.cut:
                continue
            room = self.answer if phase == "answer" else self.thought
            if written - self.phases.since[row] >= room:
                self.cut[row] = written
        return torch.tensor([row in self.cut for row in range(len(last))], device=input_ids.device)


class AnswerStreamer:
    """Hands over an answer as it is written, as a streamer of ``generate``: no thoughts, no marks.

    A piece is handed over at a blank, so that half a word or half a letter never goes out.

    Args:
        reader: Turns tokens into text.
        opened: Whether the prompt opened a thought.
        ends: Tokens that end the answer.
        on_text: Called with each piece; its exception ends the generation.
    """

    def __init__(
        self, reader: Reader, opened: bool, ends: Sequence[int], on_text: Callable[[str], None]
    ) -> None:
        self.reader, self.opened, self.ends, self.on_text = reader, opened, set(ends), on_text
        self.ids, self.sent, self.prompted = list[int](), "", False

    def put(self, value: Any) -> None:
        """Take the prompt, then one token at a time."""
        if not self.prompted:
            self.prompted = True
            return
        self.ids += [token for token in value.flatten().tolist() if token not in self.ends]
        text = self._answer()
        whole = max(text.rfind(" "), text.rfind("\n")) + 1
        self._send(text[:whole])

    def end(self) -> None:
        """Hand over the rest."""
        self._send(self._answer())

    def _answer(self) -> str:
        text = self.reader.text(self.ids)
        front = text.lstrip()
        if any(start.startswith(front) for start in thinking.STARTS):
            return ""  # may become a mark
        return thinking.split(text, opened=self.opened).answer

    def _send(self, text: str) -> None:
        if len(text) > len(self.sent):
            self.on_text(text[len(self.sent) :])
            self.sent = text
