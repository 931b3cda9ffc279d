"""Tiny checkpoints of real architectures, made on the spot, and where the shared public data lie."""

import os
from pathlib import Path
from types import SimpleNamespace

# Tests fork and kill processes, which must not have started OpenMP's threads; tiny models on several wait for one another anyway.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from lessons import lesson

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of public datasets beside the checkout; tests that need it skip where it is not."""
    if not SHARED.is_dir():
        pytest.skip("the public datasets are not beside the checkout (../shared/data)")
    return SHARED


def tiny_tokenizer():
    """A byte-level tokenizer with a chat template that marks the answers."""
    from recipes.nano import tokenizer

    texts = [
        "answer with one of these labels: delivery returns billing",
        '{"category":"delivery","reply":"34 days"}',
    ] * 50
    return tokenizer.build(texts, ["delivery", "returns", "billing"], 400)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """Return a function that makes a random checkpoint: tiny_checkpoint('llama' | 'mistral' | 'qwen3' | 'phi3') -> folder."""
    made = {}

    def make(family="llama"):
        if family not in made:
            import torch
            import transformers

            torch.manual_seed(0)
            tok = tiny_tokenizer()
            name = {"llama": "Llama", "mistral": "Mistral", "qwen3": "Qwen3", "phi3": "Phi3"}[
                family
            ]
            config = getattr(transformers, f"{name}Config")(
                vocab_size=len(tok),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                pad_token_id=0,
                eos_token_id=1,
                bos_token_id=None,
            )
            folder = tmp_path_factory.mktemp(family)
            getattr(transformers, f"{name}ForCausalLM")(config).save_pretrained(folder)
            tok.save_pretrained(folder)
            made[family] = folder
        return made[family]

    return make


@pytest.fixture
def parts(tiny_checkpoint):
    """Encoded lessons for a tiny Llama: 48 to learn from, 12 held out."""
    from ftkit.models.load import load_tokenizer
    from ftkit.training.encode import encode_all

    folder = tiny_checkpoint("llama")
    tokenizer = load_tokenizer(str(folder))
    encoded = encode_all(tokenizer, [lesson(i) for i in range(60)], 128)
    return SimpleNamespace(
        folder=folder, tokenizer=tokenizer, train=encoded[:48], held=encoded[48:]
    )


@pytest.fixture(scope="module")
def one_thread():
    """One thread for torch: tiny models on several threads wait for one another."""
    import torch

    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(before)


@pytest.fixture
def project_folder(tmp_path, monkeypatch):
    """An empty project folder with a file of examples, desk.csv, as the working directory."""
    rows = [
        ("Where is my parcel?", "delivery"),
        ("I want my money back", "returns"),
        ("You charged me twice", "billing"),
    ]
    for name in ("notebooks", "params"):
        (tmp_path / name).mkdir()
    lines = [f"{text} Number {k}.,{label}" for k in range(20) for text, label in rows]
    (tmp_path / "desk.csv").write_text("message,label\n" + "\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
