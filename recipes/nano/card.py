"""The model card that ships with the checkpoint."""

from __future__ import annotations

from typing import Any

TEXT = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# ftkit nano base

A Llama-type chat model of {parameters:,} parameters ({num_hidden_layers} layers of width {hidden_size}, context 2,048 tokens, vocabulary
{vocabulary:,}). It exists so that the workbench runs end to end without a download. It is no assistant, and a low score on it
may be the base's weakness rather than the strategy's.

## What it can do
`skill_card.json` beside this file has each skill measured on 500 held-out items with 95% intervals: read it before trusting an answer. Going on like
examples and copying are strongest; the card says which of the others reach their aims and which do not. It knows no facts, cannot reason, count or translate, and its English is that of generated sentences. Text in other scripts survives the round trip, but is
not understood.

## How it was made
- Trained from scratch by `python -m recipes.nano.train --config {config}`: {tokens:,} tokens in {step:,} steps, {minutes:.0f} minutes on one
  core (`recipe.json`), from lessons that `curriculum.py` generates: skills, not facts; every name, number and label list is drawn anew.
- **Not byte for byte.** The shipped weights were made in several sittings; after 15 minutes the mixture got more label choice and
  lookup and a slower rise in difficulty, after 29 the head more drawn negatives; the rate fell to its end at 44 minutes, rose again, and the hardest
  lessons were capped (`curriculum.HARDEST`) for the rest. The command anew gives a similar base, not the same bytes.
- **Derived start.** Embeddings and output head start from sentence vectors of all-MiniLM-L6-v2 (Apache-2.0), projected to the model's width, plus a
  random part; the words and their neighbours in `lexicon.json` come from the same model. No other data or weights went in.
- **Circuit start.** The first two attention layers start as the circuit that copies what followed a token before (`training/start.py`).

## Form
Turns are `<|system|>…<|end|>`, `<|user|>…<|end|>`, `<|assistant|>…<|end|>`; the chat template marks the assistant's turns for the loss
(`{{% generation %}}`). Greedy decoding.

## Licence
Apache-2.0, as the project.
"""


def model_card(recipe: dict[str, Any]) -> str:
    """Return the card's text for a recipe as written by the training."""
    return TEXT.format(**recipe, minutes=recipe["seconds"] / 60)
