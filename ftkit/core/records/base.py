"""What every record shares: no unknown fields, a version, and the estimate with its interval."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Origin = Literal["measured", "given", "assumed"]


class Record(BaseModel):
    """Base of all records: unknown fields are an error, not a silent loss."""

    model_config = ConfigDict(extra="forbid")
    schema_version: int = Field(default=1, description="version of this record's layout")


class Estimate(Record):
    """A measured share or difference with its 95% interval."""

    value: float = Field(description="point estimate")
    low: float = Field(description="lower end of the 95% interval")
    high: float = Field(description="upper end of the 95% interval")
    n: int = Field(description="number of items behind it")
    method: str = Field(
        description="how the interval was made, e.g. Wilson, paired cluster bootstrap"
    )
