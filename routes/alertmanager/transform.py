"""A group of alerts as one chat message: `{"text": …}`."""

from collections.abc import Mapping

from relay import Event

from .payload import Alert, AlertGroup

_FIRST = ("alertname", "severity")  # said without their names


def group_to_chat(event: Event) -> dict[str, object]:
    """Say what the group's alerts share once, then on a line for each what it has of its own."""
    group: AlertGroup = event.body
    common = group.common_labels
    count = len(group.alerts) + group.truncated_alerts
    named = ", ".join(common[name] for name in _FIRST if name in common) or group.group_key
    shared = " ".join(f"{name}={value}" for name, value in common.items() if name not in _FIRST)
    lines = [f"{group.status.upper()}, {count} alert{'s' if count != 1 else ''}: {named}"]
    lines += [f"all: {shared}"] if shared else []
    lines += [_line(alert, common) for alert in group.alerts]
    if group.truncated_alerts:
        lines.append(f"and {group.truncated_alerts} more that Alertmanager left out")
    links = dict.fromkeys([*(alert.generator_url for alert in group.alerts), group.external_url])
    lines += [link for link in links if link]
    return {"text": "\n".join(lines)}


def _line(alert: Alert, common: Mapping[str, str]) -> str:
    own = [f"{name}={value}" for name, value in alert.labels.items() if name not in common]
    line = " ".join([f"- {alert.status}", *own])
    summary = alert.annotations.get("summary")
    return f"{line}: {summary}" if summary else line
