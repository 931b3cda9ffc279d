"""Chat models: local checkpoints and adapters, an OpenAI-compatible endpoint, and the embedded nano base."""
