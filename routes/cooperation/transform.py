"""The forms that targets take: JSON, CloudEvents, a form post, a chat message, a news entry.

Texts go out in NFC, however they came. CloudEvents: https://github.com/cloudevents/spec, version
1.0.2.
"""

from typing import Any
from urllib.parse import urlencode

from relay import Event, Request

from .dates import day, moment
from .payload import AnyEvent, ObstacleRaised, ObstacleResolved, ObstacleTakenUp, ProjectAnnounced
from .places import DEPARTMENTS, PLACES, PROGRAMMES

_FORM = "application/x-www-form-urlencoded"


def to_json(event: Event) -> dict[str, Any]:
    """Say as plain JSON what the sender said, and nothing else."""
    return _data(event.body)


def to_cloud_event(event: Event) -> Request:
    """Make a CloudEvent in structured mode: attributes and data in one JSON document."""
    body = {**_attributes(event), "data": _data(event.body)}
    return Request(body, {"content-type": "application/cloudevents+json; charset=utf-8"})


def to_binary_cloud_event(event: Event) -> Request:
    """Make a CloudEvent in binary mode: attributes in headers, the data alone in the body."""
    attributes = _attributes(event)
    content_type = attributes.pop("datacontenttype")
    headers = {f"ce-{name}": text for name, text in attributes.items()}
    return Request(_data(event.body), {"content-type": content_type, **headers})


def to_form(event: Event) -> Request:
    """Put a call for investment into the fields of a form; what is not known is left out."""
    project: ProjectAnnounced = event.body
    fields = {
        "ma_du_an": project.project,
        "ten_du_an": project.title,
        "dia_phuong": PLACES[project.place].vi,
        "linh_vuc": DEPARTMENTS[project.field].short if project.field else None,
        "dia_diem": project.location,
        "tong_von": str(project.capital.amount) if project.capital else None,
        "don_vi_tien_te": project.capital.currency if project.capital else None,
        "ho_so": project.url,
    }
    known = {name: text for name, text in fields.items() if text is not None}
    return Request(urlencode(known), {"content-type": _FORM})


def to_chat(event: Event) -> dict[str, str]:
    """Tell the focal point what became of an obstacle, as a chat message: `{"text": …}`."""
    obstacle: ObstacleRaised | ObstacleTakenUp | ObstacleResolved = event.body
    place = PLACES[obstacle.place].vi
    department = f" ({DEPARTMENTS[obstacle.department].vi})" if obstacle.department else ""
    match obstacle:
        case ObstacleRaised():
            lines = [
                f"🔴 Khó khăn, vướng mắc mới: {obstacle.title}",
                f"Hạn xử lý: {day(obstacle.due, 'vi')}",
                f"Đơn vị phản ánh: {place}{department}",
                f"Doanh nghiệp: {obstacle.enterprise}" if obstacle.enterprise else "",
                obstacle.detail or "",
            ]
        case ObstacleTakenUp():
            by = obstacle.by
            lines = [
                f"🟡 Đã tiếp nhận xử lý: {obstacle.obstacle}",
                f"Hạn xử lý mới: {day(obstacle.due, 'vi')}" if obstacle.due else "",
                f"Cơ quan xử lý: {DEPARTMENTS[by.department].vi}, {PLACES[by.place].vi}"
                if by
                else "",
                f"Đơn vị báo cáo: {place}{department}",
            ]
        case ObstacleResolved():
            lines = [
                f"🟢 Đã tháo gỡ: {obstacle.obstacle}",
                obstacle.results or "",
                f"Đơn vị báo cáo: {place}{department}",
            ]
    lines.append(f"Mã: {obstacle.obstacle}")
    return {"text": "\n".join(line for line in lines if line)}


def to_news(event: Event) -> dict[str, Any]:
    """Write an entry of the public news; what is told anew of the same thing replaces its entry."""
    told: AnyEvent = event.body
    programme = PROGRAMMES[told.programme].name.short
    thing = told.subject if told.subject != told.id else told.corrects or told.id
    what = getattr(told, "title", None)
    said = [getattr(told, "results", None), "; ".join(getattr(told, "topics", ())), told.note]
    when = f"Thời điểm: {moment(told.happened, 'vi')}." if told.happened else ""
    return {
        "title": f"{told.name.vi}: {what}" if what else told.name.vi,
        "id": f"urn:cooperation:{told.type}:{thing}",
        "summary": " ".join(text for text in (*said, when) if text) or told.name.vi,
        "author": PLACES[told.place].vi,
        "categories": [programme, *([DEPARTMENTS[told.field].short] if told.field else [])],
    }


def _data(told: AnyEvent) -> dict[str, Any]:
    data: dict[str, Any] = told.model_dump(mode="json", exclude_unset=True)
    return data


def _attributes(event: Event) -> dict[str, str]:
    """Return the attributes of the CloudEvent.

    Of many events only the year or the day is known, and all `time`s of a source must be of one
    kind: it is when the event was accepted. When it happened is in the data.
    """
    told: AnyEvent = event.body
    return {
        "specversion": "1.0",
        "id": told.id,
        "source": f"/cooperation/{told.place}",
        "type": f"cooperation.{told.type}",
        "subject": told.subject,
        "datacontenttype": "application/json",
        "programme": told.programme.value,
        "time": event.received.isoformat(),
    }
