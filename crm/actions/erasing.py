"""Erasing a customer at their request, for good.

What happened stays, in figures and dates; who it was goes, out of every table (docs/privacy.md).
"""

import json
import logging
import re
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from campaigns.actions.forgetting import forget_words as forget_words_of_campaigns
from campaigns.actions.forgetting import leave_campaigns
from contacts.actions.forgetting import (
    Person,
    end_what_goes_on,
    forget_in_ledgers,
    forget_words,
    hold_person,
    make_nobody,
)
from contacts.actions.history import record
from contacts.enums import CallbackState, CustomerState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Callback, Customer, Staff
from crm.actions.told import PROVIDERS
from crm.models import Order, SavedAnswer

logger = logging.getLogger(__name__)

SHORT = 6
"""Letters; a shorter address stands in much that is about others, so it counts only by itself."""

SHORT_NAME = 2
"""Letters of a name that no index finds within a text."""


def erase_customer(customer: Customer, *, actor: Staff | None, now: datetime) -> None:
    """Take everything that says who the customer was out of every table, and whoever was merged in.

    Their number stays, with what happened when, for the books. Nothing more is sent to them but
    what is on its way at this very moment. Nobody else brings them back: the addresses they had
    are known by a hash, and refused.

    Raises ``MovedOn`` for somebody who is erased already, ``RuleBroken`` for a record that was
    merged into another.
    """
    with transaction.atomic():
        _take_time()
        held = hold_person(customer)
        _check(next(row for row in held if row.pk == customer.pk))
        words = _words_of(held)
        person = make_nobody(held, now=now)
        end_what_goes_on(person, actor=actor, now=now)
        leave_campaigns(person.customers)
        forget_words(person)
        forget_words_of_campaigns(person.customers, person.wecom_addresses, now=now)
        Order.objects.filter(customer__in=person.customers).update(items=[])
        _forget_what_was_told(person, now=now)
        _forget_answers(person, words)
        forget_in_ledgers(person)
        for row in held:
            record(row, "customer.erased", actor=actor, at=now)
        transaction.on_commit(partial(_say_so, person.customers))
    customer.refresh_from_db()


def erase_again(numbers: Iterable[tuple[int, datetime]], *, now: datetime) -> tuple[int, int]:
    """Erase once more whom a restored backup has brought back; returns how many, and how many not.

    ``numbers`` are those of an earlier list (``manage.py erasures``), with the moments. Who is
    erased is left alone, and so is whoever has got a number since: they came after the erasure.
    """
    done = passed_over = 0
    for pk, erased_at in numbers:
        customer = Customer.objects.filter(pk=pk, created_at__lte=erased_at).first()
        if customer is not None and customer.merged_into:
            customer = customer.merged_into  # the two were one person
        if customer is None or customer.state == CustomerState.ERASED:
            passed_over += 1
            continue
        erase_customer(customer, actor=None, now=now)
        done += 1
    return done, passed_over


def _take_time() -> None:
    """Some tables are large and have no index for a thing that happens once in a while."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")


def _check(customer: Customer) -> None:
    if customer.state == CustomerState.MERGED:
        raise RuleBroken(
            _(
                "This record was merged into customer %(number)s: erase that one, and both are erased."
            )
            % {"number": customer.merged_into_id}
        )
    if customer.state == CustomerState.ERASED:
        raise MovedOn(_("This customer has been erased already."))


def _say_so(customers: Collection[int]) -> None:
    """Write the numbers into the log, which outlives a restored backup."""
    for pk in customers:
        logger.info("customer %s was erased", pk)


def _words_of(held: Collection[Customer]) -> list[str]:
    """Return how a saved answer may speak of the person, besides addresses.

    A short name may be a part of other words, and nothing is found by two letters: it is looked
    for as a value.
    """
    names = [json.dumps(row.name, ensure_ascii=False) for row in held if row.name]
    return [name[1:-1] if len(name) > SHORT_NAME + len('""') else name for name in names]


def _forget_what_was_told(person: Person, *, now: datetime) -> None:
    """Let go of callbacks about the person that still wait, or that nobody could do anything with."""
    waiting = Callback.objects.filter(_about(person)).exclude(body="").select_for_update()
    for callback in waiting.order_by("pk"):
        rest = _without(callback, person) if callback.provider in PROVIDERS else ""
        if rest == callback.body:
            continue
        changes: dict[str, Any] = {"body": rest, "error": ""}
        if not rest:
            changes |= {"state": CallbackState.DONE, "done_at": callback.done_at or now}
        Callback.objects.filter(pk=callback.pk).update(**changes)


def _about(person: Person) -> Q:
    """Find callbacks that may speak of the person.

    WeCom knows them by an id of its own: a phone or member number in its news is somebody else's.
    """
    by_provider = Q(provider__in=PROVIDERS)
    about = Q(pk=None)
    for row in person.identities:
        about |= by_provider & Q(body__icontains=row.value)
    for pk in person.customers:
        about |= by_provider & Q(body__contains=f"-{pk}")
    for address in person.wecom_addresses:
        about |= ~by_provider & Q(body__contains=address)
    return about


def _without(callback: Callback, person: Person) -> str:
    """Return what a provider told of others; it tells of many people in one call."""
    addresses = {row.value.lower() for row in person.identities}
    key = re.compile(rf"liuke-\d+-({'|'.join(map(str, person.customers))})(\D.*)?")
    rows = [
        row
        for row in json.loads(callback.body)
        if row.get("address", "").lower() not in addresses and not key.fullmatch(row.get("key", ""))
    ]
    return json.dumps(rows, ensure_ascii=False) if rows else ""


def _forget_answers(person: Person, words: Collection[str]) -> None:
    """Empty what the API has answered lately about the person; a repeated request gets nothing.

    Each of these conditions is looked up in the index ``saved_answer_words``.
    """
    named = Q()
    for pk in person.customers:
        named |= Q(body__regex=rf'"customer":\s*(\{{"id":\s*)?{pk}\M')
        named |= Q(body__regex=rf'^\{{"id":\s*{pk},.*"identities":')
    for row in person.identities:
        quoted = json.dumps(row.value, ensure_ascii=False)
        named |= Q(body__contains=quoted if len(row.value) < SHORT else quoted[1:-1])
    for word in words:
        named |= Q(body__contains=word)
    SavedAnswer.objects.filter(named).exclude(body="").update(body="")
