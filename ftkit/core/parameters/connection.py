"""How an endpoint is asked beside its address: key, headers, room, options, patience."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

MANAGED = ("model", "messages", "stream", "max_tokens", "max_completion_tokens", "response_format")


class Connection(BaseModel):
    """What one endpoint needs; every field has a default that suits most servers."""

    model_config = ConfigDict(extra="forbid")
    answer_tokens: int = Field(
        default=0, ge=0, description="room for the answer, in tokens; 0: the stage's"
    )
    thought_tokens: int = Field(
        default=4096, ge=0, description="further room for a model that thinks first, in tokens"
    )
    options: dict[str, Any] = Field(
        default={},
        description="fields of the request as they are, e.g. {reasoning_effort: low}; null: leave a field away",
    )
    key_env: str = Field(
        default="OPENAI_API_KEY", description="environment variable that holds the key"
    )
    headers: dict[str, str] = Field(
        default={}, description="further headers; $NAME stands for an environment variable"
    )
    api_version: str = Field(default="", description="api-version of the address (Azure)")
    ca: str = Field(default="", description="file of the certificate authority (PEM)")
    proxy: str = Field(default="", description="address of a proxy; empty: HTTPS_PROXY, if set")
    timeout_s: float = Field(default=120.0, gt=0, description="longest wait for one reply, seconds")
    patience_s: float = Field(
        default=600.0, ge=0, description="longest wait in all while the server throttles, seconds"
    )
    concurrency: int = Field(default=8, ge=1, le=256, description="requests at once, at most")
    mask: bool = Field(
        default=False, description="replace personal data in everything that is sent"
    )


def _check(value: dict[str, object]) -> dict[str, object]:
    try:
        built = Connection.model_validate(value)
    except ValidationError as error:
        raise ValueError(
            "; ".join(
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
                for fault in error.errors()
            )
            + f"; known are {', '.join(Connection.model_fields)}"
        ) from error
    managed = [name for name in built.options if name in MANAGED]
    if managed:
        raise ValueError(f"options: {managed[0]} is set by ftkit itself")
    return value


ConnectionValues = Annotated[dict[str, object], AfterValidator(_check)]
"""The values of a :class:`Connection` by name; the others keep their defaults."""
