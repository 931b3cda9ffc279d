"""Serving engines that people run: vLLM, llama.cpp's server, any OpenAI-compatible one."""
