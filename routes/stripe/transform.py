"""Stripe's invoices and charges as chat messages: `{"text": …}`."""

from decimal import Decimal

from relay import Event

from .payload import Charge, Invoice, PaymentEvent, Reversal

# All other currencies have two in Stripe's API: even ISK and UGX, which have no smaller unit any
# more. Source: https://docs.stripe.com/currencies#minor-units
_DECIMALS = {
    "bif": 0, "clp": 0, "djf": 0, "gnf": 0, "jpy": 0, "kmf": 0, "krw": 0, "mga": 0, "pyg": 0,
    "rwf": 0,
    "vnd": 0, "vuv": 0, "xaf": 0, "xof": 0, "xpf": 0,
    "bhd": 3, "jod": 3, "kwd": 3, "omr": 3, "tnd": 3,
}  # fmt: skip


def payment_to_chat(event: Event) -> dict[str, object]:
    """Say what happened to how much money, then whose it is."""
    payment: PaymentEvent = event.body
    match payment.data.object:
        case Invoice() as invoice:
            money = _money(invoice.amount_due, invoice.currency)
            about = [
                f"invoice {invoice.number}" if invoice.number else "draft invoice",
                invoice.customer,
            ]
        case Charge() as charge:
            money = _money(charge.amount, charge.currency)
            if payment.type == "charge.refunded":
                money = f"{_money(charge.amount_refunded, charge.currency)} of {money}"
            about = [charge.id, charge.customer, charge.failure_message]
        case Reversal() as reversal:
            money = _money(reversal.amount, reversal.currency)
            about = [reversal.charge, reversal.reason, reversal.status]
    test = "" if payment.livemode else " (test)"
    return {"text": f"{payment.type}{test}: {money}\n{', '.join(filter(None, about))}"}


def _money(amount: int, currency: str) -> str:
    return f"{Decimal(amount).scaleb(-_DECIMALS.get(currency, 2)):,f} {currency.upper()}"
