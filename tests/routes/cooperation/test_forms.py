"""The forms that the targets of the cooperation route get.

The examples are walked through the shipped route.
"""

import json
import re
import unicodedata
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from relay.config import Loaded, SecretsMode, load
from relay.routing.transform import Outgoing
from relay.routing.trial import walk
from tests.support.cooperation import EXAMPLES, read
from tests.support.site import REPOSITORY

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    return load(REPOSITORY / "config" / "relay.yaml", SecretsMode.PRETEND)


def sent(shipped: Loaded, body: dict[str, Any], *, decomposed: bool = False) -> dict[str, Outgoing]:
    """Return what each target gets of an event; every step must hold."""
    text = json.dumps(body, ensure_ascii=False)
    data = (unicodedata.normalize("NFD", text) if decomposed else text).encode()
    trial = walk(shipped.routes["cooperation"], shipped.targets, data, JSON, sender=body["place"])
    assert [step for step in trial.steps if not step.ok] == []
    found = {one.target: one.request for one in trial.sent}
    assert len(found) == len(trial.sent)
    return {target: request for target, request in found.items() if request is not None}


def untimed(found: dict[str, Outgoing]) -> dict[str, Outgoing]:
    """Return requests without the time at which their event was accepted."""
    return {
        target: Outgoing(
            request.method,
            {name: text for name, text in request.headers.items() if name != "ce-time"},
            re.sub(rb'"time":"[^"]+"', b"", request.body),
        )
        for target, request in found.items()
    }


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_partner_concerned_gets_plain_json_and_nobody_else_does(
    shipped: Loaded, kind: str
) -> None:
    """The partners that the event names get its body unchanged; no others get any."""
    body = EXAMPLES[kind]
    found = sent(shipped, body)
    partners = {target for target in found if target.startswith("partner-")}
    assert partners == {f"partner-{place}" for place in body["partners"]}
    for target in partners:
        assert found[target].headers["content-type"] == "application/json"
        assert json.loads(found[target].body) == body


@pytest.mark.parametrize("kind", EXAMPLES)
def test_department_in_charge_gets_a_structured_cloud_event(shipped: Loaded, kind: str) -> None:
    """The hub's department whose field it is, with attributes and data in one document."""
    body = EXAMPLES[kind]
    found = sent(shipped, body)
    departments = [target for target in found if target.startswith("department-")]
    assert departments == ([f"department-{body['field']}"] if "field" in body else [])
    for target in departments:
        assert (
            found[target].headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        )
        cloud = json.loads(found[target].body)
        assert cloud["data"] == body
        assert cloud["specversion"] == "1.0"
        assert (cloud["id"], cloud["type"]) == (body["id"], f"cooperation.{kind}")
        assert cloud["source"] == f"/cooperation/{body['place']}"
        assert datetime.fromisoformat(cloud["time"]).tzinfo is not None


def test_platform_gets_a_binary_cloud_event(shipped: Loaded) -> None:
    """A product listing: the attributes in headers, the data alone in the body."""
    body = EXAMPLES["product.listed"]
    request = sent(shipped, body)["platform-ho-chi-minh-city"]
    assert json.loads(request.body) == body
    assert request.headers["content-type"] == "application/json"
    attributes = {name: text for name, text in request.headers.items() if name.startswith("ce-")}
    assert datetime.fromisoformat(attributes.pop("ce-time")).tzinfo is not None
    assert attributes == {
        "ce-specversion": "1.0",
        "ce-id": body["id"],
        "ce-source": "/cooperation/quang-ngai",
        "ce-type": "cooperation.product.listed",
        "ce-subject": body["id"],
        "ce-programme": "south-central-coast",
    }
    assert not any(
        target.startswith("platform-") for kind in EXAMPLES if kind != "product.listed"
        for target in sent(shipped, EXAMPLES[kind])
    )  # fmt: skip


@pytest.mark.parametrize("kind", EXAMPLES)
def test_cloud_events_are_what_the_official_sdk_takes(shipped: Loaded, kind: str) -> None:
    """Read by it in either mode, the attributes and the data are what was said."""
    body = {**EXAMPLES[kind], "field": "health"}
    found = sent(shipped, body)
    clouds = [found["department-health"]]
    clouds += [request for target, request in found.items() if target.startswith("platform-")]
    for request in clouds:
        event = from_http_event(HTTPMessage(headers=request.headers, body=request.body))
        assert event.get_data() == body
        assert (event.get_id(), event.get_type()) == (body["id"], f"cooperation.{kind}")
        assert event.get_subject() == read(body).subject
        assert event.get_extension("programme") == body["programme"]


def test_events_are_kept_for_the_programme_and_its_review(shipped: Loaded) -> None:
    """Three years and the one in which they are reviewed; nor is an id taken twice in that time."""
    route = shipped.routes["cooperation"]
    assert route.retention is not None
    assert min(route.retention, route.dedupe) >= 4 * 366 * 86400


def test_investment_promotion_gets_a_form(shipped: Loaded) -> None:
    """A call for investment, with what is not known left out."""
    body = EXAMPLES["project.announced"]
    request = sent(shipped, body)["investment-promotion"]
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode(), strict_parsing=True) == {
        "ma_du_an": ["binh-dinh/vd-du-an-1"],
        "ten_du_an": ["Khu công nghiệp (ví dụ)"],
        "dia_phuong": ["Tỉnh Bình Định"],
        "linh_vuc": ["Kế hoạch và đầu tư"],
        "dia_diem": ["Tỉnh Bình Định"],
        "tong_von": ["1500000000000"],
        "don_vi_tien_te": ["VND"],
        "ho_so": ["https://example.org/du-an-1.pdf"],
    }
    least = {
        key: value
        for key, value in body.items()
        if key not in {"capital", "url", "location", "field"}
    }
    form = parse_qs(sent(shipped, least)["investment-promotion"].body.decode(), strict_parsing=True)
    assert set(form) == {"ma_du_an", "ten_du_an", "dia_phuong"}


def test_focal_point_gets_a_message_with_the_due_date(shipped: Loaded) -> None:
    """Each step of an obstacle is one message, in Vietnamese, with dates in official form."""

    def text(kind: str) -> str:
        said: str = json.loads(sent(shipped, EXAMPLES[kind])["focal-point"].body)["text"]
        return said

    assert text("obstacle.raised") == (
        "🔴 Khó khăn, vướng mắc mới: Thủ tục đưa hàng vào hệ thống phân phối kéo dài\n"
        "Hạn xử lý: 15/7/2024\n"
        "Đơn vị phản ánh: Tỉnh Khánh Hòa (Sở Công Thương)\n"
        "Doanh nghiệp: Công ty Ví Dụ\n"
        "Doanh nghiệp chờ xác nhận hồ sơ công bố sản phẩm.\n"
        "Mã: khanh-hoa/vd-vuong-mac-1"
    )
    assert "Hạn xử lý mới: 20/7/2024\nCơ quan xử lý: Sở Công Thương, Thành phố Hồ Chí Minh" in text(
        "obstacle.taken_up"
    )
    assert text("obstacle.resolved").startswith(
        "🟢 Đã tháo gỡ: khanh-hoa/vd-vuong-mac-1\nHồ sơ đã được xác nhận."
    )


@pytest.mark.parametrize("kind", EXAMPLES)
def test_news_gets_what_is_public_and_nothing_else(shipped: Loaded, kind: str) -> None:
    """As an entry with a title; a correction has the id of what it takes the place of."""
    body = EXAMPLES[kind]
    found = sent(shipped, body)
    assert ("public-news" in found) == body.get("public", False)
    assert "public-news" not in sent(shipped, {**body, "public": False})
    entry = json.loads(sent(shipped, {**body, "public": True})["public-news"].body)
    assert entry["title"]
    assert entry["summary"]
    corrected = {**body, "public": True, "id": f"{body['place']}/2", "corrects": body["id"]}
    assert json.loads(sent(shipped, corrected)["public-news"].body)["id"] == entry["id"]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_texts_go_out_composed_however_they_came(shipped: Loaded, kind: str) -> None:
    """A body in NFD gives every target the very bytes that the same in NFC gives."""
    body = {**EXAMPLES[kind], "public": True, "source": "Báo cáo của Sở Công Thương"}
    composed = sent(shipped, body)
    assert untimed(sent(shipped, body, decomposed=True)) == untimed(composed)
    for request in composed.values():
        assert unicodedata.is_normalized("NFC", request.body.decode())


@pytest.mark.parametrize("kind", EXAMPLES)
def test_key_is_the_thing_that_an_event_is_about(shipped: Loaded, kind: str) -> None:
    """The route's expression and the models agree on the key of an event.

    Deliveries go out in its order, and a CloudEvent has it as its subject.
    """
    body = EXAMPLES[kind]
    data = json.dumps(body).encode()
    trial = walk(shipped.routes["cooperation"], shipped.targets, data, JSON, sender=body["place"])
    assert trial.event is not None
    assert trial.event.key == read(body).subject
    assert trial.event.dedupe_id == body["id"]
    assert trial.event.type == kind


def test_report_on_no_item_is_about_itself(shipped: Loaded) -> None:
    """Its key is its own id: it is in no order with others."""
    body = {**EXAMPLES["item.reported"], "item": None}
    data = json.dumps(body).encode()
    trial = walk(shipped.routes["cooperation"], shipped.targets, data, JSON, sender=body["place"])
    assert trial.event is not None
    assert trial.event.key == body["id"] == read(body).subject
