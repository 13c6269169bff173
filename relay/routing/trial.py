"""Walks a request through a route offline, and notes each step on the way; nothing is sent."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from relay.clock import Wall, wall
from relay.errors import Rejected, RequestReason, TransformFailed
from relay.event import Event, format_id
from relay.routing.check import Verified, check
from relay.routing.choose import Decision, ForwardOutcome, choose
from relay.routing.measure import Observed, observe_event
from relay.routing.route import Route
from relay.routing.transform import Outgoing, prepare
from relay.verify import Handshake, Incoming

# The steps that refuse for a reason of their own; for any other, it is "decode".
_REFUSING_STEPS = {
    RequestReason.NOT_VERIFIED: "verify",
    RequestReason.FORBIDDEN: "authorize",
    RequestReason.INVALID: "validate",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trial: its name, whether the request passed it, and the details."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The request that a target would get.

    Without a `request`, the transform dropped the delivery, or `error` says why it would be dead.
    """

    forward: str
    target: str
    request: Outgoing | None
    error: str = ""


@dataclass(slots=True)
class Trial:
    """All that came of a trial; `event` is None for a request that is refused or a handshake."""

    steps: list[Step] = field(default_factory=list)
    refusal: Rejected | None = None
    quarantined: bool = False
    sent: list[Sent] = field(default_factory=list)
    event: Event | None = None

    def note(self, name: str, detail: str, *, ok: bool = True) -> None:
        """Add a step."""
        self.steps.append(Step(name, ok, detail))


def walk(
    route: Route,
    targets: Container[str],
    raw: bytes,
    headers: Mapping[str, str],
    *,
    query: Mapping[str, str] | None = None,
    sender: str = "",
    signed: bool = True,
) -> Trial:
    """Walk a request through a route; if `signed`, sign it with the sender's own secret first.

    `sender` must be one of the route's, '' on a route without named senders; `headers` have
    lower-case names, and `targets` are the names that a recipient list may give.
    """
    trial = Trial()
    now = wall()
    scheme = route.schemes[sender]
    if signed:
        signature = scheme.sign(raw, f"try_{int(now)}", now).headers
        headers = {**headers, **signature}
        trial.note("sign", ", ".join(signature) or "nothing to add")
    try:
        checked = check(route, sender, Incoming(headers, raw), query or {}, now)
    except Rejected as rejected:
        _note_refusal(trial, rejected)
        return trial
    trial.note("verify", scheme.name)
    if isinstance(checked, Handshake):
        trial.note("handshake", checked.body.decode())
        return trial
    _note_checks(trial, route, checked)
    trial.event = event = _event(route, checked, now)
    trial.note("event", f"id={checked.id!r}  type={checked.type!r}  key={checked.key!r}")
    if checked.invalid is None:
        choice = choose(route.forwards, event, checked.scope, targets)
        for decision in choice.decisions:
            _note_forward(trial, route, event, decision)
        observed = observe_event(route.measures, event, checked.scope, route.time_limit)
        _note_metrics(trial, observed)
    return trial


def _event(route: Route, verified: Verified, now: Wall) -> Event:
    """Return the event that the request would become, under an id that no store gives."""
    return Event(
        seq=0,
        id=format_id(0, 0),
        route=route.name,
        sender=verified.sender,
        type=verified.type,
        key=verified.key,
        dedupe_id=verified.id,
        received_at=now,
        headers=verified.headers,
        query=verified.query,
        raw=verified.raw,
        body=verified.body,
    )


def _note_refusal(trial: Trial, rejected: Rejected) -> None:
    places = "".join(f"\n{path or 'body'}: {fault}" for path, fault in rejected.where)
    step = _REFUSING_STEPS.get(rejected.reason, "decode")
    trial.note(step, f"{rejected.reason.status} {rejected.detail}{places}", ok=False)
    trial.refusal = rejected


def _note_checks(trial: Trial, route: Route, verified: Verified) -> None:
    if route.reads_json:
        trial.note("decode", "JSON")
    if verified.invalid is not None:
        places = "; ".join(f"{path or 'body'}: {fault}" for path, fault in verified.invalid.where)
        trial.note("validate", f"quarantined: {places}", ok=False)
        trial.quarantined = True
        return
    if route.validator is not None:
        trial.note("validate", "the payload is what the route takes")
    if route.authorize is not None:
        trial.note("authorize", route.authorize.source)


def _note_forward(trial: Trial, route: Route, event: Event, decision: Decision) -> None:
    step = f"forward {decision.forward}"
    if decision.outcome is ForwardOutcome.SKIPPED:
        trial.note(step, "`when` says no")
        return
    if decision.outcome is ForwardOutcome.ERROR:
        trial.note(step, f"error: {decision.detail}", ok=False)
        return
    target = decision.target
    try:
        request = prepare(route, route.by_name[decision.forward], event)
    except TransformFailed as error:
        trial.note(step, f"→ {target} transform_failed: {error}", ok=False)
        trial.sent.append(Sent(decision.forward, target, None, str(error)))
        return
    size = "dropped by its transform" if request is None else f"{len(request.body)} bytes"
    trial.note(step, f"→ {target} {size}")
    trial.sent.append(Sent(decision.forward, target, request))


def _note_metrics(trial: Trial, observed: Observed) -> None:
    for measure, labels, number in observed.observations:
        named = zip(measure.label_names, labels, strict=True)
        series = ", ".join(f'{name}="{text}"' for name, text in named)
        value = "goes away" if number is None else f"{number:.15g}"
        trial.note(f"metric {measure.name}", f"{{{series}}} {value}")
    for measure, detail in observed.failures:
        trial.note(f"metric {measure.name}", f"error: {detail}", ok=False)
