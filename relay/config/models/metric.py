"""What may stand under `metrics` in `route.yaml`."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from relay.fields.model import Model
from relay.fields.units import fault

# https://prometheus.io/docs/concepts/data_model/; colons are for recording rules, two underscores for Prometheus.
_METRIC = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_MOST = 100_000  # series of one metric


class MetricFile(Model):
    """One metric of the user's own."""

    name: str
    help: str = ""
    type: Literal["counter", "gauge", "histogram"]
    value: str | None = None
    labels: dict[str, str] = Field(default={})
    when: str | None = None
    each: str | None = None
    remove: str | None = None
    buckets: (
        Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1)] | None
    ) = None
    series: int = Field(default=1000, ge=1, le=_MOST)

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not _METRIC.fullmatch(value):
            raise fault(
                f"{value!r} can't be a metric's name", "use letters, digits and underscores"
            )
        if value.startswith("relay_"):
            raise fault(
                f"{value} could be one of the relay's own",
                "let it begin with another word than relay",
            )
        return value

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, value: dict[str, str]) -> dict[str, str]:
        for label in value:
            if not _METRIC.fullmatch(label):
                raise fault(
                    f"{label!r} can't be a label's name", "use letters, digits and underscores"
                )
        return value

    @field_validator("buckets")
    @classmethod
    def _check_buckets(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and value != sorted(set(value)):
            raise fault("the buckets do not rise", "write each bound once, the lowest first")
        return value
