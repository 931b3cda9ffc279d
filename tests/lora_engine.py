"""An engine for tests: OpenAI's chat completions by real local weights, adapters loaded while it runs, as vLLM does it.

python tests/lora_engine.py BASE PORT [NAME=ADAPTER ...]
"""

import json
import sys
import threading
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from ftkit.core.errors import BadInput
from ftkit.models.local import LocalModel

RANK = 16
WAIT_S = {"answer": 0.0}


def app_of(base, adapters=(), runtime=True, context=512, template=""):
    """Return the engine; what it says of refusals are vLLM 0.32's own words."""
    app, lock = FastAPI(), threading.Lock()
    plain = LocalModel(base, max_new_tokens=8, threads=1)
    plain.tokenizer.chat_template = template or plain.tokenizer.chat_template
    models, paths = {base: plain}, {}
    app.state.loads = []

    def load(name, path):
        models[name] = LocalModel(
            base, adapter=Path(path), max_new_tokens=8, threads=1, beside=plain
        )
        paths[name] = path

    for name, path in adapters:
        load(name, path)

    def refuse(status, words):
        return JSONResponse({"error": {"message": words, "code": status}}, status_code=status)

    @app.get("/v1/models")
    def listed():
        rows = [
            {"id": n, "owned_by": "vllm", "parent": None if n == base else base, "root": n}
            for n in models
        ]
        rows[0]["max_model_len"] = context
        return {"data": rows}

    @app.get("/health")
    def health():
        return PlainTextResponse("")

    @app.get("/version")
    def version():
        return {"version": "test"}

    if runtime:

        @app.post("/v1/load_lora_adapter")
        async def load_adapter(request: Request):
            asked = await request.json()
            name, path = asked["lora_name"], asked["lora_path"]
            if name in models:
                return refuse(400, f"The lora adapter '{name}' has already been loaded.")
            rank = json.loads((Path(path) / "adapter_config.json").read_text())["r"]
            if rank > RANK:
                return refuse(500, f"LoRA rank {rank} is greater than max_lora_rank {RANK}.")
            try:
                load(name, path)
            except BadInput as error:
                return refuse(500, error.found)
            app.state.loads.append(name)
            return PlainTextResponse("Success")

        @app.post("/v1/unload_lora_adapter")
        async def unload_adapter(request: Request):
            name = (await request.json())["lora_name"]
            if name not in paths:
                return refuse(404, f"The lora adapter '{name}' cannot be found.")
            models.pop(name).close()
            paths.pop(name)
            app.state.loads.append(f"-{name}")
            return PlainTextResponse("Success")

    @app.post("/v1/chat/completions")
    def chat(body: dict):
        model = models.get(body["model"])
        if model is None:
            return refuse(404, f"The model `{body['model']}` does not exist.")
        ids = model.prompt_ids(body["messages"])[0]
        if len(ids) + body["max_tokens"] > context:
            words = f"This model's maximum context length is {context} tokens."
            return refuse(400, words)
        time.sleep(WAIT_S["answer"])
        with lock:
            reply = model.answer([body["messages"]])[0]
        content = [{"token": "x", "logprob": 0.0}]
        choice = {"index": 0, "finish_reason": "stop", "logprobs": {"content": content}}
        choice["message"] = {"role": "assistant", "content": reply.text}
        done = {"id": "x", "object": "chat.completion", "choices": [choice]}
        done["usage"] = {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        }
        return done | ({"prompt_token_ids": ids} if body.get("return_token_ids") else {})

    return app


if __name__ == "__main__":
    named = [tuple(pair.split("=", 1)) for pair in sys.argv[3:]]
    uvicorn.run(app_of(sys.argv[1], named), port=int(sys.argv[2]), log_level="warning")
