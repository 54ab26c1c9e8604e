"""What templates need to say things well: tones, initials, relative times, styled form fields."""

import json
from calendar import isleap
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zlib import crc32

from django import forms, template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.forms import BoundField
from django.template.defaultfilters import date as format_date
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from campaigns.enums import BatchState
from campaigns.models import Campaign
from campaigns.placeholders import fill
from contacts.models import Notice
from contacts.notice_words import sentence
from contacts.saying import read_channel, read_text
from contacts.words import handover_words
from crm.campaign_queries import state_words
from crm.campaign_watch import Batches
from crm.models.orders import CURRENCY
from crm.queries import COUNT_CAP

register = template.Library()

HUES = 8
FIRST_CJK = "\u2e80"

_TONES = {
    "success": (
        "active",
        "accepted",
        "done",
        "sent",
        "delivered",
        "read",
        "replied",
        "success",
        "made",
        "won_back",
        "paid",
        "shipped",
        "valid",
    ),
    "warning": ("leaving", "paused", "over_capacity", "unclear", "warning", "suspended"),
    "danger": ("refused", "failed", "error", "dead", "expired"),
    "info": ("requested", "waiting", "running", "sending", "handed", "info", "calling"),
    "brand": ("scheduled",),
}
_ENTRY_ICONS = {
    "call": "phone",
    "visit": "building-store",
    "chat": "message-circle",
    "note": "note",
    "fitting": "shopping-bag",
    "complaint": "alert-triangle",
    "ownership": "arrows-exchange",
    "customer.tagged": "tag",
    "customer.untagged": "tag",
    "customer.added": "user-plus",
    "customer.opted_out": "ban",
    "customer.opted_in": "circle-check",
    "customer.lost": "user-off",
    "customer.won_back": "heart-handshake",
    "customer.merged": "users",
    "customer.took_in": "users",
    "customer.unmerged": "arrow-back-up",
    "customer.gave_back": "arrow-back-up",
    "follow.ended": "user-minus",
    "loss.win_back": "heart-handshake",
    "loss.written_off": "user-off",
    "order": "receipt",
    "coupon": "ticket",
    "task.added": "list-check",
    "task.done": "circle-check",
    "task.dropped": "circle-x",
    "task.rescheduled": "calendar-event",
    "task.reassigned": "user-share",
}
_NOTICE_ICONS = {
    "customer_lost": "user-minus",
    "customer_removed": "user-off",
    "staff_leaving": "door-exit",
    "staff_departed": "door-exit",
    "handed_over": "arrows-exchange",
    "needs_decision": "help",
    "from_pool": "inbox",
    "unusual": "alert-triangle",
}
_SIGNS = {"CNY": "¥", "EUR": "€", "USD": "$", "GBP": "£"}
_TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}


@register.filter
def tone(state: object) -> str:
    """The colour of a state or message level; unknown and quiet ones are neutral."""
    return _TONE_OF.get(str(state), "neutral")


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    """One icon of the sprite, decoration only: the word beside it, or aria-label, is for the reader."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css_class,
        _sprite_url(),
        name,
    )


@cache
def _sprite_url() -> str:
    return static("vendor/tabler-sprite.svg")


@register.simple_tag
def state_pill(state: object, label: object) -> SafeString:
    """The state of anything in a word, in its colour."""
    return format_html(
        '<span class="pill tone-{}"><i class="dot"></i>{}</span>', tone(state), label
    )


@register.simple_tag
def campaign_state(campaign: Campaign) -> SafeString:
    """The state of a campaign, likewise."""
    return state_pill(campaign.state, state_words(campaign))


@register.simple_tag
def when(at: datetime | None) -> SafeString:
    """A moment in words, with the full time as its title."""
    if at is None:
        return SafeString()
    here = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        here.isoformat(),
        format_date(here, "DATETIME_FORMAT"),
        ago(at),
    )


@register.simple_tag
def batch_cells(batches: Batches) -> SafeString:
    """Draw the cells of a campaign's batches: in one go, since there are hundreds every 2 s."""
    is_single = batches.per_cell == 1
    looks = {state: escape(_look(state)) for state in batches.states}  # once, not for each cell
    blank = SafeString()
    return format_html_join(
        "",
        '<li class="cell {}"><span role="img" title="{}">{}</span></li>',
        (
            (looks[cell.state], words, cell.first if is_single else blank)
            for cell, words in batches.told()
        ),
    )


def _look(state: BatchState) -> str:
    if state is BatchState.WAITING:
        return "tone-neutral"
    return f"tone-{tone(state)}{' cell-busy' if state is BatchState.SENDING else ''}"


@register.filter
def state_parts(states: Mapping[Any, int], total: int) -> list[dict[str, object]]:
    """Lay the counts of a whole out along a bar of width 100, in the order of the mapping.

    Each part has ``label``, ``count``, ``tone``, ``x`` and ``width`` (strings with a point,
    whatever the language). States that nothing is in are left out.
    """
    parts: list[dict[str, object]] = []
    before = 0
    for state, count in states.items():
        if not count:
            continue
        parts.append(
            {
                "label": getattr(state, "label", state),
                "count": count,
                "tone": tone(getattr(state, "value", state)),
                "x": f"{100 * before / total:.3f}",
                "width": f"{100 * count / total:.3f}",
            }
        )
        before += count
    return parts


@register.filter
def initials(name: str) -> str:
    """One or two letters for an avatar: the last two characters of a Chinese name, else initials."""
    words = name.split()
    if not words:
        return "?"
    if words[0][0] >= FIRST_CJK:
        return words[0][-2:]
    return "".join(word[0] for word in (words[0], words[-1])[: len(words)]).upper()


@register.filter
def hue(name: str) -> int:
    """A colour number that stays with the name."""
    return crc32(name.encode()) % HUES


@register.filter
def ago(at: datetime | None) -> str:
    """How long ago a moment was, as a person would say it; the date when that is over a month."""
    if at is None:
        return ""
    now = timezone.now()
    passed = now - at
    days = (timezone.localdate(now) - timezone.localdate(at)).days
    if passed < timedelta(0) or days > 30:
        return _day(timezone.localdate(at), timezone.localdate(now))
    if passed < timedelta(minutes=1):
        return _("just now")
    if passed < timedelta(hours=1):
        minutes = int(passed.total_seconds() // 60)
        return ngettext("%(n)d min ago", "%(n)d min ago", minutes) % {"n": minutes}
    if days == 0:
        hours = int(passed.total_seconds() // 3600)
        return ngettext("%(n)d hour ago", "%(n)d hours ago", hours) % {"n": hours}
    if days == 1:
        return _("yesterday")
    return ngettext("%(n)d day ago", "%(n)d days ago", days) % {"n": days}


@register.filter
def coming_birthday(birthday: date) -> str:
    """When a birthday comes round, in words: today, tomorrow, or the day."""
    today = timezone.localdate()
    coming = _anniversary(birthday, today.year)
    if coming < today:
        coming = _anniversary(birthday, today.year + 1)
    days = (coming - today).days
    if days == 0:
        return _("birthday today")
    if days == 1:
        return _("birthday tomorrow")
    return _("birthday on %(day)s") % {"day": format_date(coming, "MONTH_DAY_FORMAT")}


def _anniversary(birthday: date, year: int) -> date:
    leap_day = (birthday.month, birthday.day) == (2, 29) and not isleap(year)
    return birthday.replace(year=year, day=28 if leap_day else birthday.day)


@register.filter
def due(day: date | None) -> str:
    """When a task is due, in words: today, tomorrow, or the day."""
    if day is None:
        return ""
    days = (day - timezone.localdate()).days
    if abs(days) <= 1:
        return {-1: _("yesterday"), 0: _("today"), 1: _("tomorrow")}[days]
    return _day(day, timezone.localdate())


@register.filter
def is_overdue(day: date | None) -> bool:
    """Whether the day has passed."""
    return day is not None and day < timezone.localdate()


@register.filter
def money(amount: Decimal, currency: str = CURRENCY) -> str:
    """An amount with the sign of its currency, without cents where there are none."""
    figure = f"{amount:,.2f}".removesuffix(".00")
    sign = _SIGNS.get(currency)
    return f"{sign}{figure}" if sign else f"{currency} {figure}"


@register.filter
def whole_money(amount: Decimal) -> str:
    """An amount without cents, for figures that are looked at and not added up."""
    return money(Decimal(round(amount)))


@register.filter
def capped(count: int) -> str:
    """A figure that was counted up to a limit: ``1,000+`` beyond it."""
    return f"{COUNT_CAP:,}+" if count > COUNT_CAP else f"{count:,}"


@register.filter
def if_told(number: int | None) -> str:
    """A figure; a dash where the channel does not tell it."""
    return "\u2013" if number is None else intcomma(number)


@register.filter
def signed(number: int) -> str:
    """A difference with its sign."""
    return f"{number:+,}".replace("-", "\u2212")


@register.filter
def listed(words: Iterable[object]) -> str:
    """Several words one after the other, parted as the language does it."""
    return pgettext("between words", ", ").join(map(str, words))


@register.filter
def channel_words(stored: str) -> str:
    """What a channel said of a failure, in the reader's language."""
    return read_channel(stored)


@register.filter
def kept_words(stored: str) -> str:
    """Why a worker refused something, in the reader's language."""
    return read_text(stored)


@register.filter
def entry_icon(kind: str) -> str:
    """The icon of a timeline entry."""
    return _ENTRY_ICONS.get(kind, "activity")


@register.filter
def notice_icon(kind: str) -> str:
    """The icon of a notice."""
    return _NOTICE_ICONS.get(kind, "bell")


@register.filter
def notice_words(notice: Notice) -> str:
    """What a notice says."""
    return sentence(notice)


def _day(day: date, today: date) -> str:
    return format_date(day, "MONTH_DAY_FORMAT" if day.year == today.year else "DATE_FORMAT")


@register.filter
def as_json(value: object) -> str:
    """A value as JSON that people can read."""
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether the field is a single box to tick."""
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def styled(field: BoundField) -> SafeString:
    """The field's input in the look of the product, marked as invalid when it has errors."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect | forms.CheckboxSelectMultiple):
        look = "form-check-input"
    elif isinstance(widget, forms.Select):
        look = "form-select"
    else:
        look = "form-control"
    given = widget.attrs.get("class", "")
    return field.as_widget(
        attrs={"class": " ".join(filter(None, [look, given, "is-invalid" if field.errors else ""]))}
    )


@register.filter
def as_sent(batch: Any) -> str:
    """Return what the customers of a batch read, for one of ``GuideDay.to_confirm``."""
    campaign, sender = batch.campaign, batch.sender
    if campaign.handover:
        return handover_words(campaign.text, campaign.handover, sender)
    store = sender.store.name if sender.store else ""
    values = {"guide": sender.name, "store": store, "company": batch.company or ""}
    return fill(batch.wording, values)
