"""The providers' own vectors: each valid request verifies with its clock, each invalid one does not.

`data/vectors.json` says where each case comes from.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.errors import NotVerified
from relay.verify import (
    Incoming,
    Mac,
    MacOptions,
    Scheme,
    Slack,
    StandardWebhooks,
    Stripe,
    Token,
    github,
)

Vector = dict[str, Any]
Factory = Callable[[Vector], Scheme]

_FILE = Path(__file__).parents[2] / "data" / "vectors.json"
VECTORS: list[Vector] = json.loads(_FILE.read_bytes())["vectors"]


def _secrets(vector: Vector) -> list[bytes]:
    return [str(vector["secret"]).encode()]


def _mac(**options: Any) -> Factory:
    """Spell a provider out as `verify: {scheme: hmac, …}` would."""
    return lambda vector: Mac(_secrets(vector), MacOptions(**options))


def _square(vector: Vector) -> Scheme:
    options = MacOptions(
        header="x-square-hmacsha256-signature",
        encoding="base64",
        signed="{url}{body}",
        url=vector["url"],
    )
    return Mac(_secrets(vector), options)


FACTORIES: dict[str, Factory] = {
    "standardwebhooks": lambda vector: StandardWebhooks(_secrets(vector)),
    "svix": lambda vector: StandardWebhooks(_secrets(vector)),
    "gitlab-signing": lambda vector: StandardWebhooks(_secrets(vector)),
    "gitlab-token": lambda vector: Token(_secrets(vector), header="X-Gitlab-Token"),
    "github": lambda vector: github(_secrets(vector)),
    "stripe": lambda vector: Stripe(_secrets(vector)),
    "slack": lambda vector: Slack(_secrets(vector)),
    "shopify": _mac(header="x-shopify-hmac-sha256", encoding="base64"),
    "bitbucket": _mac(header="x-hub-signature", prefix="sha256="),
    "websub": _mac(header="x-hub-signature", prefix="sha256="),
    "intercom": _mac(header="x-hub-signature", prefix="sha1=", hash="sha1"),
    "meta": _mac(header="x-hub-signature-256", prefix="sha256="),
    "dropbox": _mac(header="x-dropbox-signature"),
    "x-twitter": _mac(header="x-twitter-webhooks-signature", prefix="sha256=", encoding="base64"),
    "square": _square,
    # One signature at a time: the list of a rotation (`v1=…,v1=…`) can't be spelled.
    "pagerduty": _mac(header="x-pagerduty-signature", prefix="v1="),
    # The body alone: the time in `linear-timestamp` is in milliseconds, and not signed.
    "linear": _mac(header="linear-signature"),
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


def _incoming(vector: Vector) -> Incoming:
    assert vector["body_encoding"] == "utf-8"
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    return Incoming(headers, vector["body"].encode(), url=vector.get("url", ""))


def _clock(vector: Vector) -> float:
    return float(vector.get("now", 0))


def _named(vector: Vector) -> str:
    return f"{vector['provider']}-{VECTORS.index(vector)}"


EXPRESSIBLE = [vector for vector in VECTORS if vector["provider"] in FACTORIES]


def test_no_provider_is_forgotten() -> None:
    """Every provider of the file is either run here or named with the reason why it can't be yet."""
    assert FACTORIES.keys().isdisjoint(NOT_YET)
    assert FACTORIES.keys() | NOT_YET.keys() == {vector["provider"] for vector in VECTORS}


@pytest.mark.parametrize("vector", [v for v in EXPRESSIBLE if v["valid"]], ids=_named)
def test_valid_vector_verifies(vector: Vector) -> None:
    """What the provider signed is accepted."""
    FACTORIES[vector["provider"]](vector).verify(_incoming(vector), _clock(vector))


@pytest.mark.parametrize("vector", [v for v in EXPRESSIBLE if not v["valid"]], ids=_named)
def test_invalid_vector_is_refused(vector: Vector) -> None:
    """What the provider's own tests refuse is refused here."""
    scheme = FACTORIES[vector["provider"]](vector)
    with pytest.raises(NotVerified):
        scheme.verify(_incoming(vector), _clock(vector))


@pytest.mark.parametrize(
    "vector", [v for v in EXPRESSIBLE if v["valid"] and v["provider"] != "gitlab-token"], ids=_named
)
def test_valid_vector_with_another_body_is_refused(vector: Vector) -> None:
    """One byte more at the end of a signed body is noticed."""
    good = _incoming(vector)
    changed = Incoming(good.headers, good.raw + b" ", url=good.url)
    scheme = FACTORIES[vector["provider"]](vector)
    with pytest.raises(NotVerified):
        scheme.verify(changed, _clock(vector))


@pytest.mark.parametrize("vector", [v for v in EXPRESSIBLE if v["valid"]], ids=_named)
def test_valid_vector_is_refused_under_another_secret(vector: Vector) -> None:
    """The right bytes under a secret that is not ours are refused."""
    # Still base64 after `whsec_`, as standard-webhooks needs it.
    scheme = FACTORIES[vector["provider"]](vector | {"secret": "whsec_" + "A" * 32})
    with pytest.raises(NotVerified):
        scheme.verify(_incoming(vector), _clock(vector))
