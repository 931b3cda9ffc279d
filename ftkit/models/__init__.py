"""Chat models: local checkpoints and adapters, an OpenAI-compatible endpoint, and the bases that ftkit knows by name."""
