"""Trials: each step of a request's way, the refusing one included, and the targets' requests."""

from typing import Any

import pytest

from relay.expression.cel import Expression
from relay.routing.measure import Kind, Measure
from relay.routing.route import Forward
from relay.routing.trial import Step, Trial, walk
from relay.verify.slack import Slack
from relay.verify.token import Token
from tests.unit.routing.routes import NeedsName, route

JSON = {"content-type": "application/json"}
WANTS_BODY = Forward("inbox", "inbox", when=Expression("body.name != ''"))


def tried(*forwards: Forward, raw: bytes = b'{"name": "Lan"}', **fields: Any) -> Trial:
    return walk(route(*forwards, **fields), {"inbox"}, raw, JSON)


def names(trial: Trial) -> list[str]:
    return [step.name for step in trial.steps]


def test_request_that_passes_has_every_step() -> None:
    """From its signature to its deliveries and metrics; the event is the one it would become."""
    trial = tried(
        Forward("inbox", "inbox", body=Expression("{'who': body.name}")),
        scheme=Token([b"secret"]),
        validator=NeedsName(),
        authorize=Expression("true", "verified"),
        type=Expression("'push'", "request"),
        measures=(Measure("n_total", Kind.COUNTER, labels=(("who", Expression("body.name")),)),),
    )
    assert trial.steps == [
        Step("sign", True, "authorization"),
        Step("verify", True, "token"),
        Step("decode", True, "JSON"),
        Step("validate", True, "the payload is what the route takes"),
        Step("authorize", True, "true"),
        Step("event", True, "id=''  type='push'  key=''"),
        Step("forward inbox", True, "→ inbox 13 bytes"),
        Step("metric n_total", True, '{who="Lan"} 1'),
    ]
    assert trial.event is not None
    assert trial.event.type == "push"
    (sent,) = trial.sent
    assert sent.request is not None
    assert sent.request.body == b'{"who":"Lan"}'


@pytest.mark.parametrize(
    ("raw", "fields", "step"),
    [
        (b"{", {}, "decode"),
        (b"{}", {"validator": NeedsName()}, "validate"),
        (b"{}", {"authorize": Expression("false", "verified")}, "authorize"),
    ],
)
def test_refusal_is_noted_at_the_step_that_refuses(
    raw: bytes, fields: dict[str, Any], step: str
) -> None:
    trial = tried(WANTS_BODY, raw=raw, **fields)
    assert [last.name for last in trial.steps if not last.ok] == [step]
    assert trial.refusal is not None
    assert trial.event is None


def test_request_without_the_secret_is_refused_at_verify() -> None:
    """Unless the trial signs it."""
    hello = route(WANTS_BODY, scheme=Token([b"secret"]))
    trial = walk(hello, {"inbox"}, b"{}", JSON, signed=False)
    assert names(trial) == ["verify"]
    assert trial.refusal is not None


def test_handshake_ends_the_trial() -> None:
    """It is answered, and is no event."""
    raw = b'{"type": "url_verification", "challenge": "3eZb"}'
    trial = tried(WANTS_BODY, raw=raw, scheme=Slack([b"secret"]))
    assert names(trial)[-1] == "handshake"
    assert trial.event is None


def test_quarantined_event_goes_nowhere() -> None:
    trial = tried(WANTS_BODY, raw=b"{}", validator=NeedsName(), quarantines=True)
    assert trial.quarantined
    assert names(trial)[-2:] == ["validate", "event"]
    assert not trial.sent


def _raises(_: object) -> Any:
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("forward", "mark", "detail"),
    [
        (Forward("f", "inbox", when=Expression("false")), "ok", "`when` says no"),
        (
            Forward("f", "inbox", when=Expression("body.none == 1")),
            "failed",
            "error: Key not found",
        ),
        (Forward("f", "inbox", transform=lambda _: None), "ok", "dropped by its transform"),
        (Forward("f", "inbox", transform=_raises), "failed", "transform_failed: ValueError"),
    ],
)
def test_step_of_a_forward_tells_its_decision(forward: Forward, mark: str, detail: str) -> None:
    """A skip and a drop are fine; a failure fails the trial."""
    step = tried(forward).steps[-1]
    assert step.name == "forward f"
    assert step.ok is (mark == "ok")
    assert detail in step.detail
