"""The keys under `metrics` in `route.yaml`."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from relay.fields.model import Model
from relay.fields.units import fault

# https://prometheus.io/docs/concepts/data_model/; colons are for recording rules, two underscores
# for Prometheus.
_METRIC = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_MOST = 100_000  # series of one metric


class MetricFile(Model):
    """One metric of the user's own."""

    name: str = Field(
        description="Its name in Prometheus; a counter's ends in _total, none begins with relay_."
    )
    help: str = Field(default="", description="Text that Prometheus shows beside it.")
    type: Literal["counter", "gauge", "histogram"] = Field(
        description="What it does with its observations."
    )
    value: str | None = Field(
        default=None,
        description="Expression for the number observed; 1 without it. Times are in seconds.",
    )
    labels: dict[str, str] = Field(
        default={}, description="Expressions for the values of its labels, by name."
    )
    when: str | None = Field(default=None, description="Expression: observe only if it is true.")
    each: str | None = Field(
        default=None, description="Expression for a list: observe each `item` of it."
    )
    remove: str | None = Field(
        default=None, description="Expression, for gauges: if it is true, the series goes away."
    )
    buckets: (
        Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1)] | None
    ) = Field(
        default=None,
        description="Upper bounds of a histogram, rising; from 0.005 to 10 without it.",
    )
    series: int = Field(default=1000, ge=1, le=_MOST, description="Number of series at most.")

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
