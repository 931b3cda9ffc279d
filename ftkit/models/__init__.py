"""Chat models: local checkpoints and adapters, an OpenAI-compatible endpoint, and the embedded nano base."""

from ftkit.models.chat import ChatModel, Reply

__all__ = ["ChatModel", "Reply"]

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # the trainers of TRL would report their use
