"""The keys of `relay.yaml`, of a targets file and of `route.yaml`. Unknown keys are errors."""

from relay.config.models.metric import MetricFile
from relay.config.models.relay import (
    Admin,
    AnyEgress,
    EgressFile,
    Limits,
    RelayFile,
    Retention,
    TargetsFile,
)
from relay.config.models.route import (
    EachFile,
    EventFile,
    ForwardFile,
    Payload,
    Respond,
    RouteFile,
    RouteLimits,
    SenderFile,
    To,
)
from relay.fields.model import is_header_value, is_name

__all__ = [
    "Admin",
    "AnyEgress",
    "EachFile",
    "EgressFile",
    "EventFile",
    "ForwardFile",
    "Limits",
    "MetricFile",
    "Payload",
    "RelayFile",
    "Respond",
    "Retention",
    "RouteFile",
    "RouteLimits",
    "SenderFile",
    "TargetsFile",
    "To",
    "is_header_value",
    "is_name",
]
