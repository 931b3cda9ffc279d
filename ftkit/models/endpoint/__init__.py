"""Any OpenAI-compatible server as a chat model."""
