"""Chat models: local checkpoints and adapters, an OpenAI-compatible endpoint, and the embedded nano base."""

from ftkit.models.chat import ChatModel, Reply

__all__ = ["ChatModel", "Reply"]
