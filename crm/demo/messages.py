"""Loading what was said and will be said: contents, segments, codes, welcomes, past campaigns."""

# ruff: noqa: RUF001 -- Chinese text has Chinese punctuation

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from random import Random

from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Content, Delivery, Segment, WelcomeRule
from campaigns.models.campaigns import BATCH_LIMIT
from contacts.enums import Gender
from contacts.models import ContactCode, Customer, HistoryEntry
from crm.demo import cast
from crm.demo.copying import copy_in
from crm.demo.organisation import Organisation
from crm.demo.people import Person

CAMPAIGN_CONTENT, CAMPAIGN_SEGMENT = "秋冬新品预览邀请", "秋冬新品预览名单"
CODE_STATES = {"SH01": "cc-sh01-door", "HZ01": "cc-hz01-door", "CD01": "cc-cd01-door"}

CONTENTS = {
    CAMPAIGN_CONTENT: "您好，我是{store}的{guide}。秋冬新品预览本周六开始，已为您留好入场名额，"
    "方便的话回复我时间，我来准备尺码。",
    "周年庆感谢": "屿棠十岁啦！谢谢您一直以来的陪伴，本周到{store}有一份小礼物。{guide}",
    "七夕到店礼": "您好，七夕将至，{store}为您准备了手作花束，凭此消息到店领取。",
    "Autumn fitting": "The new coats have arrived at {store}. Shall I keep your size? {guide}",
    "扫码欢迎": "{customer}您好，欢迎来到{store}！我是{guide}，找尺码、查库存、预约试衣，"
    "随时发消息给我。",
    "公司欢迎": "您好，我是屿棠的{guide}，很高兴认识您。",
}
"""Words by name. A campaign's may name only the sender: one call carries one text for all."""


@dataclass(frozen=True)
class _Past:
    """A campaign that is over: how long ago, to whom, and how well it went."""

    name: str
    content: str
    segment: str
    days: int
    confirmed: float


_PAST = (
    _Past("七夕到店礼", "七夕到店礼", "女装偏好", 96, 1.0),
    _Past("周年庆感谢", "周年庆感谢", "钻石与金卡会员", 41, 0.93),
    _Past("Autumn fitting", "Autumn fitting", "大衣与羊绒", 16, 0.82),
)


def load_messages(
    rows: Sequence[Customer], people: Sequence[Person], organisation: Organisation, *, now: datetime
) -> None:
    """Write contents, segments, contact codes, welcome rules and three campaigns of the past."""
    contents = {
        name: Content.objects.create(name=name, text=text, created_at=now - timedelta(days=100))
        for name, text in CONTENTS.items()
    }
    segments = _load_segments(organisation, now)
    _load_codes(organisation, contents, now)
    pairs = list(zip(rows, people, strict=True))
    for past in _PAST:
        _load_campaign(
            past, pairs, contents[past.content], segments[past.segment], organisation, now
        )


def _load_segments(organisation: Organisation, now: datetime) -> dict[str, Segment]:
    rules: dict[str, list[dict[str, object]]] = {
        CAMPAIGN_SEGMENT: [_tagged(organisation, cast.CAMPAIGN_TAG)],
        "钻石与金卡会员": [_tagged(organisation, "钻石会员", "金卡会员")],
        "大衣与羊绒": [_tagged(organisation, "大衣", "羊绒")],
        "女装偏好": [
            _tagged(organisation, "连衣裙", "真丝"),
            {"field": "gender", "op": "is", "value": Gender.FEMALE.value},
        ],
        "三个月未联系": [{"field": "last_interaction", "op": "before_days", "value": 90}],
        "上海门店最近到访": [
            {"field": "store", "op": "in", "value": [organisation.stores["SH01"].pk]},
            {"field": "last_interaction", "op": "within_days", "value": 30},
        ],
    }
    created = now - timedelta(days=100)
    return {
        name: Segment.objects.create(name=name, rule={"all": conditions}, created_at=created)
        for name, conditions in rules.items()
    }


def _tagged(organisation: Organisation, *names: str) -> dict[str, object]:
    return {"field": "tag", "op": "any", "value": [organisation.tags[name].pk for name in names]}


def _load_codes(organisation: Organisation, contents: dict[str, Content], now: datetime) -> None:
    """A code at each door, with a welcome of its own in the first store, the company's elsewhere."""
    for shop in cast.SHOPS:
        code = ContactCode.objects.create(
            store=organisation.stores[shop.code],
            name=f"{shop.name} · 门口海报",
            state=CODE_STATES[shop.code],
            created_at=now - timedelta(days=100),
        )
        on_duty = [post.userid for post in cast.guides() if post.shop == shop.code]
        code.staff_on_duty.set(organisation.staff[name] for name in on_duty if name != cast.LEAVER)
        code.tags.set([organisation.tags[cast.SCAN_TAG], organisation.tags["新会员"]])
        if shop is cast.SHOPS[0]:
            WelcomeRule.objects.create(contact_code=code, content=contents["扫码欢迎"])
    WelcomeRule.objects.create(content=contents["公司欢迎"])


def _in_segment(past: _Past, person: Person) -> bool:
    wanted = {
        "女装偏好": {"连衣裙", "真丝"},
        "钻石与金卡会员": {"钻石会员", "金卡会员"},
        "大衣与羊绒": {"大衣", "羊绒"},
    }[past.segment]
    female = past.segment != "女装偏好" or person.gender == Gender.FEMALE
    return female and not wanted.isdisjoint(person.tags)


def _load_campaign(
    past: _Past,
    pairs: Sequence[tuple[Customer, Person]],
    content: Content,
    segment: Segment,
    organisation: Organisation,
    now: datetime,
) -> None:
    at = (now - timedelta(days=past.days)).replace(minute=0, second=0, microsecond=0)
    audience = [
        (customer, person)
        for customer, person in pairs
        if person.since < at and _in_segment(past, person)
    ]
    reached = [pair for pair in audience if _reason_against(*pair, at) is None]
    campaign = Campaign.objects.create(
        content=content,
        segment=segment,
        created_by=organisation.staff["SuMan"],
        name=past.name,
        text=content.text,
        recipients=len(reached),
        skipped=len(audience) - len(reached),
        state=CampaignState.DONE,
        state_at=at + timedelta(days=7),
        send_at=at,
        planned_at=at,
        closed_at=at + timedelta(days=7),
        created_at=at - timedelta(days=2),
    )
    copy_in(Delivery, _skipped(campaign, audience, at))
    _load_batches(campaign, reached, past, at)
    for action, moment in (("scheduled", at - timedelta(days=1)), ("done", at + timedelta(days=7))):
        HistoryEntry.objects.create(
            actor=campaign.created_by,
            action=f"campaign.{action}",
            subject_kind="campaign",
            subject_id=campaign.pk,
            source="demo",
            at=moment,
        )


def _reason_against(customer: Customer, person: Person, at: datetime) -> DeliveryReason | None:
    if person.opted_out_at and person.opted_out_at < at:
        return DeliveryReason.OPTED_OUT
    if not person.address:
        return DeliveryReason.NO_ADDRESS
    return None


def _skipped(
    campaign: Campaign, audience: Sequence[tuple[Customer, Person]], at: datetime
) -> Iterator[Delivery]:
    for customer, person in audience:
        if reason := _reason_against(customer, person, at):
            yield Delivery(
                campaign=campaign, customer=customer, state=DeliveryState.SKIPPED, reason=reason
            )


def _load_batches(
    campaign: Campaign, reached: Sequence[tuple[Customer, Person]], past: _Past, at: datetime
) -> None:
    """Cut the recipients by sender into batches, and let most senders have confirmed."""
    dice = Random(f"liuke {campaign.name}")  # noqa: S311 -- a shop window, no secret
    batches: list[Batch] = []
    members: list[list[tuple[Customer, Person]]] = []
    by_sender = sorted(reached, key=lambda pair: (pair[0].owner_id or 0, pair[0].pk))
    for _, group in groupby(by_sender, key=lambda pair: pair[0].owner_id):
        share = list(group)
        for start in range(0, len(share), BATCH_LIMIT):
            chunk = share[start : start + BATCH_LIMIT]
            confirmed = at + timedelta(hours=dice.uniform(0.2, 30))
            batches.append(_batch(campaign, chunk, len(batches) + 1, at, confirmed))
            members.append(chunk)
    silent = dice.sample(batches, round(len(batches) * (1 - past.confirmed)))
    for batch in silent:
        batch.confirmed_at = None
    copy_in(Batch, batches)
    copy_in(Delivery, _deliveries(dice, batches, members))


def _batch(
    campaign: Campaign,
    chunk: Sequence[tuple[Customer, Person]],
    seq: int,
    at: datetime,
    confirmed_at: datetime,
) -> Batch:
    return Batch(
        campaign=campaign,
        sender=chunk[0][0].owner,
        seq=seq,
        size=len(chunk),
        reference=f"msgDEMO{campaign.pk:04d}{seq:04d}",
        state=BatchState.DONE,
        attempts=1,
        claimed_at=at,
        handed_at=at + timedelta(seconds=2 * seq),
        confirmed_at=confirmed_at,
        done_at=at + timedelta(days=7),
    )


def _deliveries(
    dice: Random, batches: Sequence[Batch], members: Sequence[Sequence[tuple[Customer, Person]]]
) -> Iterator[Delivery]:
    for batch, chunk in zip(batches, members, strict=True):
        for slot, (customer, person) in enumerate(chunk):
            state, reason = _fate(dice, confirmed=batch.confirmed_at is not None)
            yield Delivery(
                campaign=batch.campaign,
                customer=customer,
                batch=batch,
                slot=slot,
                address=person.address,
                state=state,
                reason=reason,
                sent_at=batch.confirmed_at if state == DeliveryState.SENT else None,
            )


def _fate(dice: Random, *, confirmed: bool) -> tuple[DeliveryState, DeliveryReason]:
    if not confirmed:
        return DeliveryState.CANCELLED, DeliveryReason.NOT_CONFIRMED
    if dice.random() < 0.015:
        return DeliveryState.FAILED, DeliveryReason.NOT_A_FRIEND
    return DeliveryState.SENT, DeliveryReason.NONE
