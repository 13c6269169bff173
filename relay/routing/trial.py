"""A route tried offline: the whole way from request to the targets' requests, each step told, nothing sent."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.errors import Rejected, TransformFailed
from relay.event import Event, format_id
from relay.routing.body import decode_json
from relay.routing.measure import Observed
from relay.routing.route import ForwardOutcome, Route, check, choose, observed
from relay.routing.transform import Outgoing, prepare
from relay.verify import Handshake, Incoming

_UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trial: what was done, whether it held, and what came of it."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What a target would get: a request, or None if the transform dropped it, or why it would be dead."""

    forward: str
    target: str
    request: Outgoing | None
    error: str = ""


@dataclass(slots=True)
class Trial:
    """All that came of a trial."""

    steps: list[Step] = field(default_factory=list)
    refusal: Rejected | None = None
    quarantined: bool = False
    sent: list[Sent] = field(default_factory=list)
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A request to try, with what is expected of it.

    `expect` is a refusal's reason, `quarantined`, or for each target what it gets: `unchanged`, or a request
    with `body` and `headers`; a list of these for a target that gets several. One that is not named gets nothing.
    """

    name: str
    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    sender: str
    signed: bool
    expect: Any


class SampleInvalid(ValueError):
    """A sample file that can't be used."""


_KEYS = {"headers", "body", "body_text", "query", "sender", "signed", "expect", "about"}


def read_sample(path: Path) -> Sample:
    """Read `samples/NAME.json`; raise SampleInvalid with what is wrong."""
    try:
        value = decode_json(path.read_bytes())
    except Rejected as error:
        raise SampleInvalid(f"{path.name}: {error.detail}") from None
    if (
        not isinstance(value, dict)
        or "expect" not in value
        or ("body" in value) == ("body_text" in value)
    ):
        raise SampleInvalid(f"{path.name}: needs `expect` and one of `body`, `body_text`")
    if unknown := value.keys() - _KEYS:
        raise SampleInvalid(
            f"{path.name}: unknown key {min(unknown)!r}; known: {', '.join(sorted(_KEYS))}"
        )
    headers = {name.lower(): text for name, text in value.get("headers", {}).items()}
    if "body" in value:
        body = json.dumps(value["body"], ensure_ascii=False).encode()
        headers.setdefault("content-type", "application/json")
    else:
        body = value["body_text"].encode()
    return Sample(
        path.stem, body, headers, value.get("query", {}), value.get("sender", ""),
        value.get("signed", True), value["expect"],
    )  # fmt: skip


def attempt(
    route: Route,
    targets: Mapping[str, Any],
    body: bytes,
    headers: Mapping[str, str],
    *,
    query: Mapping[str, str] | None = None,
    sender: str = "",
    signed: bool = True,
) -> Trial:
    """Walk a request through a route; if `signed`, sign it with the route's own secret first."""
    trial = Trial()
    now = time.time()
    scheme = route.schemes[sender]
    headers = dict(headers)
    if signed:
        added = scheme.sign(body, f"try_{int(now)}", now).headers
        headers |= added
        trial.steps.append(Step("sign", True, ", ".join(added) or "nothing to add"))
    incoming = Incoming(headers, body)
    try:
        verified = check(route, sender, incoming, query or {}, now)
    except Rejected as rejected:
        places = "".join(f"\n{path or 'body'}: {text}" for path, text in rejected.where)
        step = {401: "verify", 403: "authorize", 422: "validate"}.get(
            rejected.reason.status, "decode"
        )
        trial.steps.append(Step(step, False, f"{rejected.reason.status} {rejected.detail}{places}"))
        trial.refusal = rejected
        return trial
    trial.steps.append(Step("verify", True, scheme.name))
    if isinstance(verified, Handshake):
        trial.steps.append(Step("handshake", True, verified.body.decode()))
        return trial
    if route.reads_json:
        trial.steps.append(Step("decode", True, "JSON"))
    if verified.invalid is not None:
        places = "; ".join(f"{path or 'body'}: {text}" for path, text in verified.invalid.where)
        trial.steps.append(Step("validate", False, f"quarantined: {places}"))
        trial.quarantined = True
    elif route.validator is not None:
        trial.steps.append(Step("validate", True, "the payload is what the route takes"))
    if route.authorize is not None and verified.invalid is None:
        trial.steps.append(Step("authorize", True, route.authorize.source))
    facts = {"id": verified.id, "type": verified.type, "key": verified.key}
    trial.steps.append(
        Step("event", True, "  ".join(f"{name}={text!r}" for name, text in facts.items()))
    )
    trial.event = event = Event(
        0, format_id(0, 0), route.name, sender, verified.type, verified.key, verified.id, now,
        verified.headers, verified.query, body, verified.body,
    )  # fmt: skip
    if not trial.quarantined:
        _forward(trial, route, event, choose(route, event, verified.scope, targets))
        if route.measures:
            _observe(trial, observed(route, event, verified.scope))
    return trial


def _observe(trial: Trial, said: Observed) -> None:
    for one in said.observations:
        labels = ", ".join(
            f'{name}="{text}"'
            for name, text in zip(one.measure.label_names, one.labels, strict=True)
        )
        value = "goes away" if one.value is None else f"{one.value:.15g}"
        trial.steps.append(Step(f"metric {one.measure.name}", True, f"{{{labels}}} {value}"))
    for failure in said.failures:
        trial.steps.append(
            Step(f"metric {failure.measure.name}", False, f"error: {failure.detail}")
        )


def _forward(trial: Trial, route: Route, event: Event, filtered: Any) -> None:
    for name, target, said, detail in filtered.said:
        arrow = f"→ {target}" if target else ""
        if said is ForwardOutcome.SKIPPED:
            trial.steps.append(Step(f"forward {name}", True, "`when` says no"))
            continue
        if said is ForwardOutcome.ERROR:
            trial.steps.append(Step(f"forward {name}", False, f"error: {detail}"))
            continue
        try:
            request = prepare(route, route.by_name[name], event)
        except TransformFailed as error:
            trial.steps.append(Step(f"forward {name}", False, f"{arrow} transform_failed: {error}"))
            trial.sent.append(Sent(name, target, None, str(error)))
            continue
        trial.sent.append(Sent(name, target, request))
        told = "dropped by its transform" if request is None else f"{len(request.body)} bytes"
        trial.steps.append(Step(f"forward {name}", True, f"{arrow} {told}"))


def judge(sample: Sample, route: Route, targets: Mapping[str, Any]) -> list[str]:
    """Return how what came of a sample differs from what it expects; empty if it doesn't."""
    if sample.sender not in route.schemes:
        known = ", ".join(sender for sender in route.schemes if sender) or "none"
        return [f"`sender` is {sample.sender!r}; the route's senders: {known}"]
    trial = attempt(
        route, targets, sample.body, sample.headers,
        query=sample.query, sender=sample.sender, signed=sample.signed,
    )  # fmt: skip
    if isinstance(sample.expect, str):
        came = (
            trial.refusal.reason.value
            if trial.refusal
            else "quarantined"
            if trial.quarantined
            else "accepted"
        )
        return [] if came == sample.expect else [f"expected {sample.expect}, came {came}"]
    if trial.refusal is not None:
        where = "; ".join(f"{path}: {text}" for path, text in trial.refusal.where)
        return [f"refused: {trial.refusal.reason.value}: {trial.refusal.detail} {where}".strip()]
    faults = [step.detail for step in trial.steps if not step.ok]
    got: dict[str, list[Outgoing]] = {}
    for sent in trial.sent:
        if sent.request is not None:
            got.setdefault(sent.target, []).append(sent.request)
    for name in sorted(got.keys() | sample.expect.keys()):
        wanted, requests = sample.expect.get(name, []), got.get(name, [])
        each = wanted if isinstance(wanted, list) else [wanted]
        if len(requests) != len(each):
            faults.append(f"{name}: got {len(requests)} requests, expected {len(each)}")
            continue
        for want, request in zip(each, requests, strict=True):
            faults += [f"{name}: {fault}" for fault in _differences(want, request, sample.body)]
    return faults


def _differences(wanted: Any, request: Outgoing, original: bytes) -> list[str]:
    if wanted == _UNCHANGED:
        return [] if request.body == original else ["the body was changed"]
    faults = []
    if "body" in wanted:
        try:
            body: Any = json.loads(request.body)
        except ValueError:
            body = request.body.decode("utf-8", "replace")
        if body != wanted["body"]:
            faults.append(f"body: expected {_short(wanted['body'])}, got {_short(body)}")
    for header, text in wanted.get("headers", {}).items():
        if request.headers.get(header.lower()) != text:
            faults.append(
                f"header {header}: expected {text!r}, got {request.headers.get(header.lower())!r}"
            )
    return faults


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
