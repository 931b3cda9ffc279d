"""An exported strategy that answers: from its files, and as an OpenAI-compatible server."""
