"""Stripe's events.

Every type is taken, but `invoice.*` and `charge.*` must have what their messages need.

Source: https://docs.stripe.com/api/events/object. Amounts are in the currency's smallest unit.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag


class Invoice(BaseModel):
    object: Literal["invoice"]
    number: str | None = None  # none while it is a draft
    amount_due: int
    currency: str
    customer: str | None = None


class Charge(BaseModel):
    object: Literal["charge"]
    id: str
    amount: int
    amount_refunded: int = 0  # by all its refunds
    currency: str
    customer: str | None = None
    failure_message: str | None = None


class Reversal(BaseModel):
    """The object of `charge.dispute.*` and `charge.refund.*`, which take a charge back."""

    object: Literal["dispute", "refund"]
    amount: int
    currency: str
    charge: str | None = None
    reason: str | None = None
    status: str | None = None


class PaymentData(BaseModel):
    object: Annotated[Invoice | Charge | Reversal, Field(discriminator="object")]


class PaymentEvent(BaseModel):
    id: str
    type: str
    livemode: bool
    data: PaymentData


class OtherEvent(BaseModel):
    """All the rest: the inbox takes it as it is."""

    id: str
    type: str


def _kind(body: Any) -> str:
    kind = body.get("type") if isinstance(body, dict) else None
    return "payment" if str(kind).startswith(("invoice.", "charge.")) else "other"


StripeEvent = Annotated[
    Annotated[PaymentEvent, Tag("payment")] | Annotated[OtherEvent, Tag("other")],
    Discriminator(_kind),
]
