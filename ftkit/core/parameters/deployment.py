"""What 09_deployment is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.core.parameters.base import ModelParameters


class DeploymentParameters(ModelParameters):
    """09_deployment: does the exported artifact still answer the same?"""

    strategy: str = Field(
        default="", description="strategy to ship; empty: the one that 08 chose, or that is ahead"
    )
    served_name: str = Field(
        default="assistant", min_length=1, description="name by which clients ask for it"
    )
    form: Literal["adapter", "merged"] = Field(
        default="adapter",
        description="how tuned weights ship: adapter (small, needs its base) or merged (one model)",
    )
    llama_cpp: str = Field(
        default="",
        description="folder of llama.cpp's source, whose converter writes the model as one GGUF file too; empty: none",
    )
    gguf_type: Literal["f32", "bf16", "f16", "q8_0"] = Field(
        default="f16", description="precision of the GGUF file's weights"
    )
    parity_items: int = Field(
        default=40, ge=1, description="test questions asked again through the files and the server"
    )
    fault_items: int = Field(
        default=16, ge=0, description="questions for the five planted faults; 0: not planted"
    )
    engines: list[str] = Field(
        default=[],
        description="engines to ask as well: vLLM's command (vllm, or /path/to/env/bin/vllm), or a URL that ends in /v1; empty: none",
    )
    load_clients: list[int] = Field(
        default=[1, 4, 16], description="clients at once in the load test; empty: none"
    )
    load_requests: int = Field(default=48, ge=1, description="requests per step of the load test")
    cascade_timeout_s: float = Field(
        default=20.0,
        gt=0,
        description="longest wait for a cascade's large model, in seconds; then the small one's answer goes",
    )
    cascade_usd_per_day: float = Field(
        default=0.0,
        ge=0,
        description="most that a cascade's large model may cost in a day (UTC), in USD; 0: no limit",
    )
