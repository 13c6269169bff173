"""Alertmanager's webhook, version 4.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from typing import Literal

from pydantic import BaseModel, Field

Status = Literal["firing", "resolved"]


class Alert(BaseModel):
    status: Status
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    generator_url: str = Field(default="", alias="generatorURL")


class AlertGroup(BaseModel):
    version: Literal["4"]
    status: Status  # firing while any of its alerts is
    group_key: str = Field(alias="groupKey")
    alerts: list[Alert]
    truncated_alerts: int = Field(
        default=0, alias="truncatedAlerts"
    )  # left out because of max_alerts
    common_labels: dict[str, str] = Field(default={}, alias="commonLabels")
    external_url: str = Field(default="", alias="externalURL")
