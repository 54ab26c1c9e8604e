"""People of whom a company knows very much, under a word of their own that can be looked for."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from campaigns.enums import PostKind
from campaigns.models import Batch, Campaign, Delivery, PostShare, PostTarget, SegmentMember
from contacts.enums import IdentityKind, InteractionKind, NoticeKind
from contacts.models import (
    ConsentEntry,
    Coupon,
    Customer,
    CustomerTag,
    HistoryEntry,
    Interaction,
    Notice,
    Tag,
    TagGroup,
    Task,
)
from crm.actions.orders import count_value
from crm.models import Order, SavedAnswer
from tests.builders import (
    NOON,
    make_callback,
    make_campaign,
    make_chat,
    make_content,
    make_customer,
    make_finding,
    make_follow,
    make_identity,
    make_post,
    make_reaction,
    make_segment,
    make_staff,
    make_welcome,
)

MANY = 600
WAITING = 60
"""Campaigns of everybody that are still to be sent."""


class Company:
    """Everything that has to be there before anybody can have lived with it."""

    def __init__(self) -> None:
        self.guides = [make_staff(f"Guide{number}", account=False) for number in range(12)]
        content, segment = make_content(), make_segment()
        self.campaigns = Campaign.objects.bulk_create(
            Campaign(
                name=f"C{number}", content=content, segment=segment, state="done", state_at=NOON,
                planned_at=NOON, closed_at=NOON, recipients=0, skipped=0, channel="webhook",
            )
            for number in range(MANY)
        )  # fmt: skip
        self.waiting = [
            make_campaign(
                f"W{n}", content=content, segment=segment, state="planned", channel="webhook"
            )
            for n in range(WAITING)
        ]
        self.lists = [make_segment(name=f"List {number}") for number in range(20)]
        group = TagGroup.objects.create(name="Colours")
        self.tags = Tag.objects.bulk_create(Tag(group=group, name=f"T{n}") for n in range(40))
        share = PostShare.objects.create(post=make_post(kind=PostKind.MOMENT), seq=1, size=10)
        self.targets = PostTarget.objects.bulk_create(
            PostTarget(share=share, staff=self.guides[0], slot=slot, address="x")
            for slot in range(10)
        )

    def plan(self, customers: list[Customer]) -> None:
        """Let all the campaigns that wait go to these people, in one batch each."""
        batches = Batch.objects.bulk_create(
            Batch(campaign=campaign, seq=1, size=len(customers)) for campaign in self.waiting
        )
        Delivery.objects.bulk_create(
            Delivery(
                campaign=batch.campaign, customer=one, batch=batch, slot=slot, address=one.pk,
                state="queued",
            )
            for batch in batches
            for slot, one in enumerate(customers)
        )  # fmt: skip

    def settle(self) -> None:
        """Let each campaign know how many people it has."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE campaigns_campaign SET recipients = ("
                " SELECT count(*) FROM campaigns_delivery"
                " WHERE campaign_id = campaigns_campaign.id AND batch_id IS NOT NULL)"
            )


def live(word: str, phone: str, company: Company) -> Customer:
    """Somebody who has been here for years; whatever can be said of them says the word."""
    song = f"sings {word}"
    customer = make_customer(
        f"{word} Vogel", owner=company.guides[0], address=f"wo{word}", note=song, city=word,
        attributes={"nest": song},
    )  # fmt: skip
    make_identity(customer, phone, kind=IdentityKind.PHONE)
    make_identity(customer, f"{word}@vogel.example", kind=IdentityKind.EMAIL)
    for guide in company.guides:
        make_follow(guide, customer, remark=song)
    _what_was_sent(customer, phone, company)
    _what_was_written(customer, song, company)
    _what_was_bought(customer, song)
    _what_machines_know(customer, word, company)
    count_value(customer)
    return customer


def _what_was_sent(customer: Customer, phone: str, company: Company) -> None:
    batches = Batch.objects.bulk_create(
        Batch(campaign=one, seq=customer.pk, size=1, state="done", done_at=NOON)
        for one in company.campaigns
    )
    Delivery.objects.bulk_create(
        Delivery(
            campaign=batch.campaign, customer=customer, batch=batch, slot=0, address=phone,
            state="sent", sent_at=NOON,
        )
        for batch in batches
    )  # fmt: skip
    for _greeting in range(5):
        make_welcome(
            company.guides[1],
            customer,
            text=f"Hello {customer.name}",
            state="sent",
            settled_at=NOON,
        )


def _what_was_written(customer: Customer, song: str, company: Company) -> None:
    theirs = {"customer": customer}
    Interaction.objects.bulk_create(
        Interaction(**theirs, staff=company.guides[n % 12], kind=InteractionKind.NOTE,
                    text=f"{song} {n}", happened_at=NOON)
        for n in range(MANY)
    )  # fmt: skip
    HistoryEntry.objects.bulk_create(
        HistoryEntry(**theirs, subject_kind="customer", subject_id=customer.pk, at=NOON,
                     action="customer.tagged", source=song, data={"tags": [song]})
        for _entry in range(MANY)
    )  # fmt: skip
    ConsentEntry.objects.bulk_create(
        ConsentEntry(**theirs, granted=False, channel="sms", source=song, evidence=song, at=NOON)
        for _word in range(50)
    )
    Task.objects.bulk_create(
        Task(**theirs, store=customer.store, staff=company.guides[n % 12], kind="promise",
             text=song, state="open" if n % 3 == 0 else "done", state_at=NOON)
        for n in range(300)
    )  # fmt: skip
    CustomerTag.objects.bulk_create(CustomerTag(**theirs, tag=tag) for tag in company.tags)
    Notice.objects.bulk_create(
        Notice(**theirs, staff=company.guides[n % 12], kind=NoticeKind.HANDED_OVER,
               key=f"{song}:{n}")
        for n in range(300)
    )  # fmt: skip
    SegmentMember.objects.bulk_create(
        SegmentMember(segment=one, customer=customer) for one in company.lists
    )


def _what_was_bought(customer: Customer, song: str) -> None:
    now = timezone.now()
    Order.objects.bulk_create(
        Order(customer=customer, system="shop", number=f"{customer.pk}-{n}", amount=10, state="paid",
              ordered_at=NOON, changed_at=NOON, items=[{"name": song}])
        for n in range(500)
    )  # fmt: skip
    Coupon.objects.bulk_create(
        Coupon(customer=customer, code=f"{song}-{n}", title=song, source=song, percent=10,
               issued_at=now, expires_at=now + timedelta(days=9))
        for n in range(300)
    )  # fmt: skip


def _what_machines_know(customer: Customer, word: str, company: Company) -> None:
    address = f"wo{word}"
    for target in company.targets:
        make_reaction(target, address)
        make_chat(company.guides[2], customers=[address, "woOther"])
        make_finding(customer=customer, address=address, detail={"name": word}, note=word)
        make_callback(body=f"<xml>{address}</xml>", state="dead")
    SavedAnswer.objects.bulk_create(
        SavedAnswer(
            staff=company.guides[3], key=f"k{customer.pk}-{n}", fingerprint="", status=200,
            claim="00000000-0000-0000-0000-000000000000", lease_until=NOON,
            body=f'{{"id":{n},"customer":{{"id":{customer.pk},"name":"{word}"}}}}',
            expires_at=timezone.now() + timedelta(days=1),
        )
        for n in range(50)
    )  # fmt: skip
