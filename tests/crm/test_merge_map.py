"""Every reference to a customer is decided upon: it moves with a merge, or is read through it.

A new model that points at customers fails here until somebody has thought about merges.
"""

from django.apps import apps

from contacts.models import Customer

MOVES = {
    "contacts.consent": "refusals hold for whoever stays: join_consents",
    "contacts.customer.merged_into": "whoever was merged into the gone is merged into the kept",
    "contacts.customertag": "moves, but for doubles and exclusive groups",
    "contacts.follow": "an active one ends, and goes on in a new row",
    "contacts.identity": "moves",
    "contacts.loss": "an open one moves, or counts no more",
    "contacts.ownershipperiod": "the open one ends",
    "contacts.task": "an open one moves",
    "campaigns.delivery": "a waiting one moves where nothing else waits for or reached whoever stays",
    "campaigns.segmentmember": "moves",
}
"""What must live with whoever stays; what is over of it stays with the record."""

STAYS = {
    "contacts.consententry": "the ledger says what was said by whom; Consent says what holds",
    "contacts.coupon": "read together: Coupon.objects.about",
    "contacts.erasedaddress": "only of those who were erased, who cannot be merged",
    "contacts.finding": "the next comparison finds it anew or not at all",
    "contacts.handoveritem": "only closed ones: an open one refuses the merge",
    "contacts.historyentry": "append-only, read together: customer_timeline, the API's history",
    "contacts.interaction": "read together: customer_timeline, briefs, the API's interactions",
    "contacts.merge.gone": "what the merge itself says",
    "contacts.merge.kept": "what the merge itself says",
    "contacts.notice": "what somebody was told; the link leads to whoever stays",
    "campaigns.engagement": "what was done with the record's message, as the delivery it is of",
    "campaigns.welcome": "what became of one welcome code; the list names whoever stays",
    "crm.order": "read together: orders_about, count_value, the API's orders",
}
"""Facts of the record they were written for; readers follow one step of ``merged_into``."""


def references() -> set[str]:
    found = [
        (model._meta.label_lower, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and field.related_model is Customer
    ]
    return {label if name == "customer" else f"{label}.{name}" for label, name in found}


def test_every_reference_to_a_customer_is_decided_upon_once() -> None:
    assert references() == MOVES.keys() | STAYS.keys()
    assert not MOVES.keys() & STAYS.keys()
