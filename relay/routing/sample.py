"""Samples of a route: requests in `samples/NAME.json`, each with the outcome that it must have."""

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.errors import Rejected, RelayError
from relay.routing.body import decode_json
from relay.routing.route import Route
from relay.routing.transform import Outgoing
from relay.routing.trial import Sent, Trial, walk

_UNCHANGED = "unchanged"
_KEYS = {"headers", "body", "body_text", "query", "sender", "signed", "expect", "about"}


class SampleInvalid(RelayError):
    """A sample file that can't be used; the text is for its author."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A request to try, with the outcome that it must have.

    `expect` is a refusal's reason, `accepted`, `quarantined`, or by target's name the request that
    it gets: `unchanged`, or a mapping with `body` and `headers`; a list of these for a target
    that gets several. A target that is not named gets nothing.
    """

    name: str
    raw: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    sender: str
    signed: bool
    expect: Any


def read_sample(path: Path) -> Sample:
    """Read `samples/NAME.json`; raise SampleInvalid with its fault, OSError if it can't be read."""
    try:
        value = decode_json(path.read_bytes())
    except Rejected as error:
        raise SampleInvalid(f"{path.name}: {error.detail}") from None
    complete = isinstance(value, dict) and "expect" in value
    if not complete or ("body" in value) == ("body_text" in value):
        raise SampleInvalid(f"{path.name}: needs `expect` and one of `body`, `body_text`")
    if unknown := value.keys() - _KEYS:
        known = ", ".join(sorted(_KEYS))
        raise SampleInvalid(f"{path.name}: unknown key {min(unknown)!r}; known: {known}")
    headers = {name.lower(): text for name, text in value.get("headers", {}).items()}
    if "body" in value:
        raw = json.dumps(value["body"], ensure_ascii=False).encode()
        headers.setdefault("content-type", "application/json")
    else:
        raw = value["body_text"].encode()
    return Sample(
        name=path.stem,
        raw=raw,
        headers=headers,
        query=value.get("query", {}),
        sender=value.get("sender", ""),
        signed=value.get("signed", True),
        expect=value["expect"],
    )


def judge(sample: Sample, route: Route, targets: Container[str]) -> list[str]:
    """Walk a sample through its route; return how the outcome differs from the expected one.

    The list is empty if it does not differ. `targets` are the names that a recipient list may give.
    """
    if sample.sender not in route.schemes:
        known = ", ".join(sender for sender in route.schemes if sender) or "none"
        return [f"`sender` is {sample.sender!r}; the route's senders: {known}"]
    trial = walk(
        route,
        targets,
        sample.raw,
        sample.headers,
        query=sample.query,
        sender=sample.sender,
        signed=sample.signed,
    )
    if isinstance(sample.expect, str):
        outcome = _outcome(trial)
        if outcome == sample.expect:
            return []
        return [f"expected {sample.expect}, came {outcome}"]
    if trial.refusal is not None:
        where = "; ".join(f"{path}: {fault}" for path, fault in trial.refusal.where)
        return [f"refused: {trial.refusal.reason.value}: {trial.refusal.detail} {where}".strip()]
    faults = [step.detail for step in trial.steps if not step.ok]
    return [*faults, *_unexpected(trial.sent, sample)]


def _outcome(trial: Trial) -> str:
    if trial.refusal is not None:
        return trial.refusal.reason.value
    return "quarantined" if trial.quarantined else "accepted"


def _unexpected(sent: list[Sent], sample: Sample) -> Iterator[str]:
    """Yield the differences between the targets' requests and the expected ones."""
    by_target: dict[str, list[Outgoing]] = {}
    for delivery in sent:
        if delivery.request is not None:
            by_target.setdefault(delivery.target, []).append(delivery.request)
    for target in sorted(by_target.keys() | sample.expect.keys()):
        requests, expected = by_target.get(target, []), sample.expect.get(target, [])
        if not isinstance(expected, list):
            expected = [expected]
        if len(requests) != len(expected):
            yield f"{target}: got {len(requests)} requests, expected {len(expected)}"
            continue
        for request, wanted in zip(requests, expected, strict=True):
            for difference in _differences(request, wanted, sample.raw):
                yield f"{target}: {difference}"


def _differences(request: Outgoing, wanted: Any, raw: bytes) -> Iterator[str]:
    if wanted == _UNCHANGED:
        if request.body != raw:
            yield "the body was changed"
        return
    if "body" in wanted:
        try:
            body: Any = json.loads(request.body)
        except ValueError:
            body = request.body.decode("utf-8", "replace")
        if body != wanted["body"]:
            yield f"body: expected {_compact(wanted['body'])}, got {_compact(body)}"
    for header, text in wanted.get("headers", {}).items():
        sent = request.headers.get(header.lower())
        if sent != text:
            yield f"header {header}: expected {text!r}, got {sent!r}"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
