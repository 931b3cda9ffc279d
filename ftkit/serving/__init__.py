"""An exported strategy that answers: from its files, and as an OpenAI-compatible server."""

from ftkit.serving.ask import ask_files, ask_server, base_texts, reference, tested_model
from ftkit.serving.choose import chosen_strategy, export, same_messages
from ftkit.serving.faults import FAULTS, planted
from ftkit.serving.gguf import check_gguf, write_gguf
from ftkit.serving.run import running
from ftkit.serving.served import Served

__all__ = [
    "FAULTS", "Served", "ask_files", "ask_server", "base_texts", "check_gguf", "chosen_strategy", "export", "planted", "reference", "running", "same_messages",
    "tested_model", "write_gguf",
]  # fmt: skip
