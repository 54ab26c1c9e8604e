"""Letters that have gone out by e-mail, for tests in which somebody tells what became of them."""

from django.utils import timezone

from campaigns.enums import CampaignState, DeliveryState
from campaigns.models import Delivery
from campaigns.tracking.tokens import TokenUse, maker
from contacts.enums import CallbackState, IdentityKind
from contacts.models import Callback, ConsentEntry, Identity
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_batch, make_campaign, make_customer, make_identity

MAIL = "chen@mail.example"

WHERE_ENDED = {"complained": "email", "unsubscribed": ""}
"""The channel in which each ends messages; empty means all of them."""


def sent_to(name: str = "Chen", address: str = MAIL) -> Delivery:
    """A letter that has gone out to somebody."""
    customer = make_customer(name)
    make_identity(customer, address, kind=IdentityKind.EMAIL)
    campaign = make_campaign(channel="email", state=CampaignState.DONE)
    make_batch(campaign, [customer], delivery_state=DeliveryState.SENT)
    Delivery.objects.filter(campaign=campaign).update(address=address)
    return Delivery.objects.get(campaign=campaign)


def key_of(letter: Delivery) -> str:
    """The key that the provider was given with the letter."""
    return f"liuke-{letter.campaign_id}-{letter.customer_id}"


def mark_of(letter: Delivery) -> str:
    """What stands in the letter's Message-ID, in front of the @."""
    return f"{key_of(letter)}.{maker(TokenUse.RETURN, letter.campaign_id)(letter.customer_id)}"


def fate(letter: Delivery) -> tuple[str, str]:
    """What has become of the letter, and why."""
    letter.refresh_from_db()
    return letter.state, letter.reason


def is_dead() -> bool:
    """Whether Chen's address counts as one that leads nowhere."""
    return Identity.objects.get(kind=IdentityKind.EMAIL).dead_at is not None


def work() -> None:
    """Do what the provider's calls have left to do, all of it."""
    do_what_is_due(now=timezone.now())
    assert not Callback.objects.exclude(state=CallbackState.DONE).exists()


def nothing_changed(letter: Delivery) -> bool:
    """Whether a call was let go without a trace."""
    work_left = Callback.objects.exists() or ConsentEntry.objects.exists()
    return fate(letter) == ("sent", "") and not work_left
