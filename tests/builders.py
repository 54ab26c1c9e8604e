"""Rows for tests, with dull defaults: say what matters to the test, and nothing else.

The cast: Lin and Mei are guides, Wei has left, Hua is the manager, Chen and Zhao are customers.
One store is enough for most tests: whoever is given none stands in the first that exists. Rows
are written directly, never through the actions that tests are about.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Greatest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.enums import (
    CampaignState,
    DeliveryState,
    MediaKind,
    PostKind,
    SeriesKind,
    SeriesState,
)
from campaigns.models import (
    Batch,
    Campaign,
    Content,
    Delivery,
    Folder,
    MediaBody,
    MediaFile,
    Post,
    PostReaction,
    PostTarget,
    Segment,
    Series,
    Welcome,
)
from contacts.actions.forgetting import NOBODY
from contacts.enums import (
    Channel,
    CustomerState,
    FindingKind,
    FollowEnd,
    HandoverKind,
    HandoverState,
    IdentityKind,
    InteractionKind,
    ItemState,
    LossKind,
    LossState,
    OwnershipReason,
    ReconciliationState,
    Role,
    Scope,
    StaffState,
    TaskKind,
    TaskState,
)
from contacts.models import (
    Callback,
    ChatItem,
    Company,
    ContactCode,
    Coupon,
    Customer,
    Department,
    Finding,
    Follow,
    GroupChat,
    Handover,
    HandoverItem,
    HistoryEntry,
    Identity,
    Interaction,
    Loss,
    OwnershipPeriod,
    Reconciliation,
    RoleGrant,
    Staff,
    Store,
    Tag,
    TagGroup,
    Task,
    User,
)
from contacts.names import name_key, search_key
from crm.enums import UNDER_WAY, EventState, OrderState
from crm.models import Order, Webhook, WebhookEvent
from crm.sealing import seal

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
"""The moment at which everything in a test happens, unless it says otherwise: a Monday."""

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63382167030002d401237262d8760000000049454e44ae426082"
)
"""A picture of one point."""

WEBHOOK_SECRET = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="

_SCOPES = {
    Role.GUIDE: Scope.OWN,
    Role.MANAGER: Scope.STORE,
    Role.MARKETER: Scope.COMPANY,
    Role.ADMINISTRATOR: Scope.COMPANY,
}
_numbers = count(1)


def make_company(name: str = "Qingyu Fashion", **fields: Any) -> Company:
    """The one company of this installation."""
    return Company.objects.create(legal_name=f"{name} Co., Ltd.", short_name=name, **fields)


def make_department(name: str = "Retail", *, parent: Department | None = None) -> Department:
    """A branch of the organisation; without ``parent`` a root."""
    return Department.objects.create(name=name, parent=parent)


def make_store(
    name: str = "Nanjing Road", *, department: Department | None = None, **fields: Any
) -> Store:
    """A store, in the first department that exists unless told otherwise."""
    place = department or Department.objects.order_by("pk").first() or make_department()
    values = {"code": f"S{next(_numbers)}", "city": "Shanghai"} | fields
    return Store.objects.create(name=name, department=place, **values)


def first_store() -> Store:
    """The store in which everybody stands who was not given one."""
    return Store.objects.order_by("pk").first() or make_store()


def make_staff(
    name: str = "Lin",
    *,
    role: Role | None = Role.GUIDE,
    scope: Scope | None = None,
    store: Store | None = None,
    account: bool = True,
    wecom_userid: str | None = "",
    **fields: Any,
) -> Staff:
    """A colleague at work, with an account and one role in its usual scope.

    ``role=None`` grants nothing. The WeCom user id is made up; ``wecom_userid=None`` leaves the
    person outside WeCom. ``sign_in`` is the way in: accounts have no password.
    """
    place = store or first_store()
    number = next(_numbers)
    values = {"state_at": NOON, "department": place.department} | fields
    if account:
        values["user"] = User.objects.create_user(
            f"{name.lower()}{number}", is_active=values.get("state") != StaffState.DEPARTED
        )
    staff = Staff.objects.create(
        name=name,
        name_key=name_key(name),
        store=place,
        wecom_userid=f"{name}{number}" if wecom_userid == "" else wecom_userid,
        **values,
    )
    if role:
        RoleGrant.objects.create(staff=staff, role=role, scope=scope or _SCOPES[role])
    return staff


def make_departed(name: str = "Wei", *, at: datetime = NOON, **fields: Any) -> Staff:
    """Somebody who has left: no customers, and an account that lets nobody in."""
    return make_staff(name, state=StaffState.DEPARTED, state_at=at, departed_at=at, **fields)


@transaction.atomic
def make_customer(
    name: str = "Chen",
    *,
    owner: Staff | None = None,
    store: Store | None = None,
    address: str = "",
    since: datetime = NOON,
    **fields: Any,
) -> Customer:
    """A customer of ``owner``, or of the pool of the store, with the open ownership period.

    ``address`` is the external user id in WeCom; without it no channel reaches the customer.
    """
    place = store or (owner and owner.store) or first_store()
    named = {"name": name, "name_key": name_key(name), "search_key": search_key(name)}
    if fields.get("state") == CustomerState.ERASED:
        named = NOBODY
    customer = Customer.objects.create(store=place, owner=owner, created_at=since, **named | fields)
    if customer.state == CustomerState.ACTIVE:
        _open_periods([customer], since)
    if address:
        make_identity(customer, address)
    return customer


def make_erased(customer: Customer | None = None) -> Customer:
    """What is left of a customer who was erased: a number, and the entry that says so."""
    gone = customer or make_customer()
    gone.ownership_periods.filter(ended_at=None).update(ended_at=Greatest("began_at", Value(NOON)))
    Customer.objects.filter(pk=gone.pk).update(state=CustomerState.ERASED, owner=None, **NOBODY)
    gone.identities.all().delete()
    HistoryEntry.objects.create(
        action="customer.erased",
        subject_kind="customer",
        subject_id=gone.pk,
        customer=gone,
        at=NOON,
    )
    gone.refresh_from_db()
    return gone


@transaction.atomic
def merge_customer(gone: Customer, into: Customer) -> None:
    """Let a customer be found to be the same person as another, who stays."""
    gone.ownership_periods.update(ended_at=timezone.now())
    Customer.objects.filter(pk=gone.pk).update(
        state=CustomerState.MERGED, merged_into=into, owner=None
    )


@transaction.atomic
def make_customers(
    number: int, *, owner: Staff | None = None, store: Store | None = None, followed: bool = False
) -> list[Customer]:
    """Many customers in a handful of statements, oldest first.

    With ``followed`` each has a WeCom address and is connected with ``owner``, as a campaign or
    a handover through the channel needs.
    """
    place = store or (owner and owner.store) or first_store()
    first = next(_numbers)
    names = [f"Chen {first}-{index}" for index in range(number)]
    customers = Customer.objects.bulk_create(
        Customer(name=name, name_key=name.lower(), search_key=name, store=place, owner=owner)
        for name in names
    )
    _open_periods(customers, NOON)
    if followed:
        Identity.objects.bulk_create(
            Identity(customer=customer, kind=IdentityKind.WECOM, value=f"wm{customer.pk}")
            for customer in customers
        )
        Follow.objects.bulk_create(
            Follow(staff=owner, customer=customer, began_at=NOON) for customer in customers
        )
    return customers


def make_identity(
    customer: Customer, value: str, *, kind: IdentityKind = IdentityKind.WECOM, system: str = ""
) -> Identity:
    """One address of the customer."""
    return Identity.objects.create(customer=customer, kind=kind, system=system, value=value)


def make_follow(
    staff: Staff | None = None,
    customer: Customer | None = None,
    *,
    ended: FollowEnd | None = None,
    **fields: Any,
) -> Follow:
    """Two people connected in WeCom; the customer gets an address there if they had none."""
    staff = staff or make_staff()
    customer = customer or make_customer(owner=staff)
    if not customer.identities.filter(kind=IdentityKind.WECOM).exists():
        make_identity(customer, f"wm{customer.pk}")
    values: dict[str, Any] = {"channel": Channel.WECOM, "began_at": NOON}
    if ended:
        values |= {"ended_at": NOON + timedelta(minutes=1), "end_reason": ended}
    return Follow.objects.create(staff=staff, customer=customer, **values | fields)


def make_loss(staff: Staff | None = None, customer: Customer | None = None, **fields: Any) -> Loss:
    """A customer who removed ``staff`` and is connected with nobody any more."""
    follow = make_follow(staff, customer, ended=FollowEnd.REMOVED_BY_CUSTOMER)
    values = {"kind": LossKind.BY_CUSTOMER, "is_last": True, "state": LossState.OPEN} | fields
    return Loss.objects.create(
        **{
            "follow": follow,
            "customer": follow.customer,
            "staff": follow.staff,
            "owner": follow.customer.owner,
            "store": follow.customer.store,
            "at": follow.ended_at,
            "state_at": follow.ended_at,
        }
        | values
    )


def make_tag(name: str = "VIP", *, group: TagGroup | None = None, exclusive: bool = False) -> Tag:
    """A tag, in a new group of its own unless ``group`` is given."""
    home = group or TagGroup.objects.create(name=f"Group {next(_numbers)}", is_exclusive=exclusive)
    return Tag.objects.create(group=home, name=name)


def make_code(
    name: str = "Door",
    *,
    store: Store | None = None,
    staff: Sequence[Staff] = (),
    tags: Sequence[Tag] = (),
) -> ContactCode:
    """A contact code with these people on duty."""
    code = ContactCode.objects.create(
        store=store or first_store(), name=name, state=f"code{next(_numbers)}", created_at=NOON
    )
    code.staff_on_duty.set(staff)
    code.tags.set(tags)
    return code


def make_interaction(
    customer: Customer,
    *,
    staff: Staff | None = None,
    text: str = "Tried the blue coat",
    **fields: Any,
) -> Interaction:
    """One entry of the customer's timeline."""
    values = {"kind": InteractionKind.VISIT, "happened_at": NOON, "created_at": NOON} | fields
    return Interaction.objects.create(customer=customer, staff=staff, text=text, **values)


def make_order(customer: Customer, *, state: OrderState = OrderState.PAID, **fields: Any) -> Order:
    """An order of the customer; what they have spent is left as it is."""
    values = {"system": "shop", "number": f"SO{next(_numbers)}", "amount": 100, "ordered_at": NOON}
    values |= {"changed_at": NOON, "created_at": NOON}
    return Order.objects.create(customer=customer, state=state, **values | fields)


def make_coupon(customer: Customer, **fields: Any) -> Coupon:
    """A coupon of the customer that is valid for a month from now."""
    now = timezone.now()
    values: dict[str, Any] = {"code": f"C{next(_numbers)}", "title": "Winter voucher"}
    if "percent" not in fields:
        values |= {"amount": 50, "currency": "CNY"}
    values |= {"issued_at": now - timedelta(days=60), "expires_at": now + timedelta(days=30)}
    return Coupon.objects.create(customer=customer, **values | fields)


def make_task(
    *,
    staff: Staff | None = None,
    customer: Customer | None = None,
    kind: TaskKind = TaskKind.TO_DO,
    **fields: Any,
) -> Task:
    """Something to do for a person or, without ``staff``, for whoever manages the store."""
    place = (staff and staff.store) or (customer and customer.store) or first_store()
    words = "Call back" if kind in {TaskKind.TO_DO, TaskKind.PROMISE} else ""
    values = {"store": place, "text": words, "created_at": NOON, "state_at": NOON}
    if fields.get("state", TaskState.OPEN) != TaskState.OPEN:
        values["closed_by"] = staff
    return Task.objects.create(staff=staff, customer=customer, kind=kind, **values | fields)


def make_handover(
    from_staff: Staff | None = None,
    *,
    customers: Iterable[Customer] = (),
    to_staff: Staff | None = None,
    item_state: ItemState = ItemState.PLANNED,
    **fields: Any,
) -> Handover:
    """A handover of these customers; without any, of one who rests in the pool."""
    giver = from_staff or make_departed()
    moved = list(customers) or [make_customer(store=giver.store)]
    values = {"state": HandoverState.PLANNED, "kind": HandoverKind.DEPARTURE} | fields
    if values["state"] != HandoverState.PLANNED:
        values.setdefault("started_at", NOON)
    if values["state"] in {HandoverState.DONE, HandoverState.CANCELLED}:
        values.setdefault("closed_at", NOON)
    handover = Handover.objects.create(
        from_staff=giver,
        store=giver.store or first_store(),
        **{"size": len(moved), "planned_at": NOON} | values,
    )
    closed = item_state in {ItemState.ACCEPTED, ItemState.CANCELLED}
    HandoverItem.objects.bulk_create(
        HandoverItem(
            handover=handover,
            customer=customer,
            to_staff=to_staff,
            state=item_state,
            state_at=NOON,
            closed_at=NOON if closed else None,
        )
        for customer in moved
    )
    return handover


def make_reconciliation(**fields: Any) -> Reconciliation:
    """A comparison with WeCom, done unless ``state`` says otherwise."""
    values = {"state": ReconciliationState.DONE, "started_at": NOON} | fields
    if values["state"] != ReconciliationState.RUNNING:
        values.setdefault("finished_at", NOON + timedelta(minutes=2))
    return Reconciliation.objects.create(**values)


def make_finding(
    kind: FindingKind = FindingKind.NOT_MOVED, *, run: Reconciliation | None = None, **fields: Any
) -> Finding:
    """Something that a comparison found, open unless ``state`` says otherwise."""
    values = {"key": f"thing {next(_numbers)}", "found_at": NOON, "state_at": NOON} | fields
    return Finding.objects.create(run=run or make_reconciliation(), kind=kind, **values)


def make_chat(
    owner: Staff | None = None, *, name: str = "Friends of blue", **fields: Any
) -> GroupChat:
    """A group chat; without an owner it waits for one."""
    values = {"chat_id": f"wr{next(_numbers)}", "known_at": NOON} | fields
    store = (owner and owner.store) or first_store()
    return GroupChat.objects.create(owner=owner, name=name, store=store, **values)


def make_chat_item(
    handover: Handover,
    *,
    state: str = ItemState.PLANNED,
    to_staff: Staff | None = None,
    at: datetime = NOON,
    **fields: Any,
) -> ChatItem:
    """A group chat of the handover, planned unless ``state`` says otherwise."""
    return ChatItem.objects.create(
        handover=handover,
        chat=make_chat(**fields),
        to_staff=to_staff,
        state=state,
        state_at=at,
        closed_at=None if state in {"planned", "requested"} else at,
    )


def make_content(
    text: str = "Hello, this is {guide}: our spring coats are here.", **fields: Any
) -> Content:
    """A message; with the name of a folder it is in the library."""
    if folder := fields.pop("folder", ""):
        fields["folder"] = Folder.objects.get_or_create(name=folder)[0]
    return Content.objects.create(**{"name": "Spring coats", "text": text} | fields)


def make_media(name: str = "coat.png", content: bytes = PIXEL, **fields: Any) -> MediaFile:
    """A file that goes with messages, by default a small picture."""
    digest = sha256(f"{name}{next(_numbers)}".encode()).hexdigest()
    values = {
        "kind": MediaKind.IMAGE,
        "media_type": "image/png",
        "size": len(content),
        "digest": digest,
        "token": digest[:22],
        "created_at": NOON,
    } | fields
    media = MediaFile.objects.create(name=name, **values)
    MediaBody.objects.create(media=media, content=content)
    return media


def make_segment(rule: dict[str, Any] | None = None, **fields: Any) -> Segment:
    """A saved rule; without one, everybody."""
    values = {"name": f"Segment {next(_numbers)}"} | fields
    return Segment.objects.create(rule={"all": []} if rule is None else rule, **values)


def make_campaign(
    name: str = "Spring",
    *,
    content: Content | None = None,
    segment: Segment | None = None,
    **fields: Any,
) -> Campaign:
    """A campaign, a draft unless ``state`` says otherwise, with the figures its state needs."""
    values = {"state": CampaignState.DRAFT, "state_at": NOON} | fields
    state = values["state"]
    if state in {CampaignState.SCHEDULED, CampaignState.REVIEW}:
        values.setdefault("send_at", NOON)
    if state == CampaignState.REVIEW:
        values.setdefault("asked_recipients", 1)
    if state not in {
        CampaignState.DRAFT,
        CampaignState.REVIEW,
        CampaignState.SCHEDULED,
        CampaignState.CANCELLED,
    }:
        values = {"planned_at": NOON, "recipients": 0, "skipped": 0} | values
    if state in {CampaignState.DONE, CampaignState.CANCELLED}:
        values.setdefault("closed_at", NOON)
    return Campaign.objects.create(
        name=name, content=content or make_content(), segment=segment or make_segment(), **values
    )


def make_series(name: str = "Mondays", **fields: Any) -> Series:
    """A series that is due at ten every Monday, of Shanghai's clock."""
    values: dict[str, Any] = {
        "channel": "wecom",
        "kind": SeriesKind.REPEAT,
        "rule": {"freq": "weekly", "weekdays": [0]},
        "zone": "Asia/Shanghai",
        "at_time": time(10),
        "starts_on": NOON.date(),
        "state": SeriesState.ACTIVE,
        "state_at": NOON,
    } | fields
    if values["state"] == SeriesState.ACTIVE:
        values.setdefault("next_run_at", NOON + timedelta(days=7, hours=-2))
    values.setdefault("content", None)
    values.setdefault("segment", None)
    values["content"] = values["content"] or make_content()
    values["segment"] = values["segment"] or make_segment()
    return Series.objects.create(name=name, **values)


def make_post(name: str = "Coats", *, kind: PostKind = PostKind.GROUP, **fields: Any) -> Post:
    content = fields.pop("content", None) or make_content("New coats are here.")
    return Post.objects.create(
        name=name, kind=kind, content=content, state_at=NOON, created_at=NOON, **fields
    )


def make_batch(
    campaign: Campaign,
    customers: Sequence[Customer],
    *,
    delivery_state: DeliveryState = DeliveryState.QUEUED,
    **fields: Any,
) -> Batch:
    """The next batch of the campaign, with one delivery for each of these customers."""
    values = {"seq": campaign.batches.count() + 1, "size": len(customers)} | fields
    batch = Batch.objects.create(campaign=campaign, **values)
    Delivery.objects.bulk_create(
        Delivery(
            campaign=campaign,
            customer=customer,
            batch=batch,
            slot=slot,
            address=f"wm{customer.pk}",
            state=delivery_state,
        )
        for slot, customer in enumerate(customers)
    )
    return batch


def make_reaction(target: PostTarget, address: str, **fields: Any) -> PostReaction:
    """Somebody who likes what a colleague has published."""
    values = {"kind": "like", "by_staff": False, "at": NOON, "seen_at": NOON}
    return PostReaction.objects.create(
        post=target.share.post, target=target, address=address, **values | fields
    )


def make_welcome(
    staff: Staff, customer: Customer, *, issued_at: datetime = NOON, **fields: Any
) -> Welcome:
    """A welcome code that was issued at noon and may be used for twenty seconds."""
    number = next(_numbers)
    values = {
        "code": f"welcome{number}",
        "code_digest": sha256(f"welcome{number}".encode()).hexdigest(),
        "received_at": issued_at,
        "deadline_at": issued_at + timedelta(seconds=20),
    }
    return Welcome.objects.create(
        staff=staff, customer=customer, issued_at=issued_at, **values | fields
    )


def make_callback(event: str = "add_external_contact", **fields: Any) -> Callback:
    """A callback in the inbox, still to be worked on."""
    values = {
        "key": sha256(f"callback{next(_numbers)}".encode()).hexdigest(),
        "body": "<xml/>",
        "received_at": NOON,
        "next_attempt_at": NOON,
    }
    return Callback.objects.create(event=event, **values | fields)


def sign_in(client: Client, staff: Staff) -> Client:
    """Let this person use the client, as after a successful login."""
    assert staff.user, f"{staff} has no account"
    client.force_login(staff.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def queries_for(client: Client, address: str) -> int:
    """How many queries it takes to show a page, once everything that is kept has been fetched."""
    assert client.get(address).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return len(queries)


def fill_the_shop(number: int) -> None:
    """So many more customers, each with a coupon; stores, tags, segments, messages and files."""
    for customer in make_customers(number):
        make_coupon(customer)
    group = TagGroup.objects.create(name=f"Group {next(_numbers)}")
    for n in range(number):
        make_store(f"Store {n}")
        make_tag(f"Tag {n}", group=group)
        make_segment()
        make_content(folder="Autumn")
        make_media()


def _open_periods(customers: Iterable[Customer], since: datetime) -> None:
    OwnershipPeriod.objects.bulk_create(
        OwnershipPeriod(
            customer=customer,
            staff=customer.owner,
            store=customer.store,
            reason=OwnershipReason.ADDED,
            began_at=since,
        )
        for customer in customers
    )


def make_webhook(url: str = "https://example.com/hook", **fields: Any) -> Webhook:
    """A webhook for everything, with the secret ``WEBHOOK_SECRET``."""
    values = {"events": ["*"], "secret": seal(WEBHOOK_SECRET), "created_at": NOON} | fields
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        values.setdefault("from_xact", cursor.fetchone()[0])
    return Webhook.objects.create(url=url, state_at=NOON, **values)


def make_webhook_event(webhook: Webhook, **fields: Any) -> WebhookEvent:
    """An event on its way, due at noon."""
    values = {"type": "staff.departed", "data": {"staff": 5}, "at": NOON, "state_at": NOON} | fields
    if values.get("state", EventState.WAITING) in UNDER_WAY:
        values.setdefault("next_attempt_at", NOON)
    return WebhookEvent.objects.create(webhook=webhook, **values)
