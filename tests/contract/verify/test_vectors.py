"""The providers' own vectors: each valid request verifies with its clock, no invalid one does.

`data/vectors.json` says where each case comes from.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify import Incoming, Scheme
from relay.verify.schemes import options

Vector = dict[str, Any]

_FILE = Path(__file__).parents[2] / "data" / "vectors.json"
VECTORS: list[Vector] = json.loads(_FILE.read_bytes())["vectors"]


def _hmac(**words: str) -> dict[str, Any]:
    return {"scheme": "hmac", **words}


# Each provider as `verify:` of a route spells it.
VERIFY: dict[str, dict[str, Any]] = {
    "standardwebhooks": {"scheme": "standard-webhooks"},
    "svix": {"scheme": "standard-webhooks"},
    "gitlab-signing": {"scheme": "standard-webhooks"},
    "gitlab-token": {"scheme": "token", "header": "X-Gitlab-Token"},
    "github": {"scheme": "github"},
    "stripe": {"scheme": "stripe"},
    "slack": {"scheme": "slack"},
    "shopify": _hmac(header="x-shopify-hmac-sha256", encoding="base64"),
    "bitbucket": _hmac(header="x-hub-signature", prefix="sha256="),
    "websub": _hmac(header="x-hub-signature", prefix="sha256="),
    "intercom": _hmac(header="x-hub-signature", prefix="sha1=", hash="sha1"),
    "meta": _hmac(header="x-hub-signature-256", prefix="sha256="),
    "dropbox": _hmac(header="x-dropbox-signature"),
    "x-twitter": _hmac(header="x-twitter-webhooks-signature", prefix="sha256=", encoding="base64"),
    # With the vector's URL beside it.
    "square": _hmac(
        header="x-square-hmacsha256-signature", encoding="base64", signed="{url}{body}"
    ),
    # One signature at a time: the list of a rotation (`v1=…,v1=…`) can't be spelled.
    "pagerduty": _hmac(header="x-pagerduty-signature", prefix="v1="),
    # The body alone: the time in `linear-timestamp` is in milliseconds, and not signed.
    "linear": _hmac(header="linear-signature"),
}

NOT_YET: dict[str, str] = {
    "standardwebhooks-v1a": "ed25519",
    "twilio": "signs the URL with sorted form fields",
    "zendesk": "its timestamp is a date (RFC 3339), not seconds",
    "zendesk-legacy-docs": "as zendesk; and a verifier of today must refuse the old order",
    "sendgrid": "ECDSA P-256",
    "mailgun": "the signature stands in the body",
    "paddle": "several values in one header (ts=;h1=)",
    "zoom": "its timestamp may be in milliseconds",
    "aws-sns": "RSA, the signature stands in the body",
    "discord": "ed25519",
}


def _scheme(vector: Vector) -> Scheme:
    words = dict(VERIFY[vector["provider"]])
    if "{url}" in words.get("signed", ""):
        words["url"] = vector["url"]
    return options(words["scheme"]).model_validate(words).build([str(vector["secret"]).encode()])


def _incoming(vector: Vector) -> Incoming:
    assert vector["body_encoding"] == "utf-8"
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    return Incoming(headers, vector["body"].encode())


def _clock(vector: Vector) -> Wall:
    return Wall(float(vector.get("now", 0)))


def _named(vector: Vector) -> str:
    return f"{vector['provider']}-{VECTORS.index(vector)}"


EXPRESSIBLE = [vector for vector in VECTORS if vector["provider"] in VERIFY]


def test_no_provider_is_forgotten() -> None:
    """Every provider of the file is run here, or named with the reason why it can't be yet."""
    assert VERIFY.keys().isdisjoint(NOT_YET)
    assert VERIFY.keys() | NOT_YET.keys() == {vector["provider"] for vector in VECTORS}


@pytest.mark.parametrize("vector", [v for v in EXPRESSIBLE if v["valid"]], ids=_named)
def test_valid_vector_verifies(vector: Vector) -> None:
    """A request that the provider signed is accepted."""
    _scheme(vector).verify(_incoming(vector), _clock(vector))


@pytest.mark.parametrize("vector", [v for v in EXPRESSIBLE if not v["valid"]], ids=_named)
def test_invalid_vector_is_refused(vector: Vector) -> None:
    """A request that the provider's own tests refuse is refused here."""
    scheme = _scheme(vector)
    with pytest.raises(NotVerified):
        scheme.verify(_incoming(vector), _clock(vector))


@pytest.mark.parametrize(
    "vector", [v for v in EXPRESSIBLE if v["valid"] and v["provider"] != "gitlab-token"], ids=_named
)
def test_valid_vector_with_another_body_is_refused(vector: Vector) -> None:
    """One byte more at the end of a signed body is noticed."""
    good = _incoming(vector)
    changed = Incoming(good.headers, good.raw + b" ")
    scheme = _scheme(vector)
    with pytest.raises(NotVerified):
        scheme.verify(changed, _clock(vector))


@pytest.mark.parametrize("vector", [v for v in EXPRESSIBLE if v["valid"]], ids=_named)
def test_valid_vector_is_refused_under_another_secret(vector: Vector) -> None:
    """The right bytes under a secret that is not ours are refused."""
    # Still base64 after `whsec_`, as standard-webhooks needs it.
    scheme = _scheme(vector | {"secret": "whsec_" + "A" * 32})
    with pytest.raises(NotVerified):
        scheme.verify(_incoming(vector), _clock(vector))
