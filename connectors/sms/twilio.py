"""Twilio's Messages resource, API of 2010-04-01.

``twilio+https://ACCOUNT_SID:AUTH_TOKEN@api.twilio.com/?from=+1…`` (or ``service=MG…`` for a
messaging service, ``callback=https://…`` for status callbacks). Messages know no idempotency key;
Twilio can be asked, by number and time, whether it has one.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlencode

import httpx

from connectors.base import (
    Answer,
    ChannelBusy,
    Letter,
    Outcome,
    Receipt,
    ReceiptKind,
    Recovery,
)
from connectors.bursts import Call, Reply
from connectors.judging import as_reference, fields_in, judge
from connectors.sms.formats import NOT_A_NUMBER, address_of, login_of, options_of
from connectors.words import gettext_noop

INVALID_NUMBER = frozenset({21211, 21214, 21217, 21401, 21421, 21614, 21635})
OPTED_OUT = 21610
TOO_MANY = frozenset({20429, 14107, 21611, 30001})
SETTING_CODES = frozenset(
    {
        *(10001, 20005, 90010),  # the account is not active
        *(21212, 21601, 21603, 21606, 21659, 21660, 21661),  # no sender of this account
        *(21703, 21705),  # a messaging service without numbers, or none
    }
)
"""They speak of the account and the sender that are set up here, not of one letter."""

SETTING_REST = 300.0
HAS_OPTED_OUT = gettext_noop("the number has opted out")
TOO_MANY_MESSAGES = gettext_noop("too many messages")
NOT_THE_SENDER = gettext_noop("not the account or the sender to send this")
PAGE = 100
ASK_SECONDS = 10.0

_KINDS = {
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.OPENED,
    "undelivered": ReceiptKind.FAILED,
    "failed": ReceiptKind.FAILED,
}
_DEAD = frozenset({"30005", "30006"})
"""Unknown or landline handset: no message will get there (Twilio's error dictionary)."""


class Twilio:
    """Twilio's format."""

    recovery = Recovery.ASKABLE

    def __init__(self, parts: SplitResult) -> None:
        self._sid, self._token = login_of(parts)
        if not (self._sid and self._token):
            raise ValueError("SMS_URL for Twilio needs ACCOUNT_SID:AUTH_TOKEN before the host.")
        options = options_of(parts)
        base = address_of(parts).rstrip("/")
        self.url = f"{base}/2010-04-01/Accounts/{self._sid}/Messages.json"
        if options.get("service"):
            self._sender = {"MessagingServiceSid": options["service"]}
        elif options.get("from"):
            self._sender = {"From": options["from"].replace(" ", "+")}
        else:
            raise ValueError("SMS_URL for Twilio needs from=… or service=… .")
        if callback := options.get("callback"):
            self._sender["StatusCallback"] = callback
        login = base64.b64encode(f"{self._sid}:{self._token}".encode()).decode()
        self._headers = [
            "Content-Type: application/x-www-form-urlencoded",
            f"Authorization: Basic {login}",
        ]

    def call(self, letter: Letter) -> Call:
        """Create a message."""
        form = {"To": letter.address, "Body": letter.text, **self._sender}
        return Call((letter.key,), urlencode(form).encode(), self._headers)

    def answer(self, key: str, reply: Reply) -> Answer:
        """By Twilio's own code where there is one, else by the HTTP status."""
        code = _code_in(reply) if reply.status >= 400 else 0
        if code in INVALID_NUMBER:
            return Answer(
                key, Outcome.REFUSED, why=f"Twilio {code}: {NOT_A_NUMBER}", is_address=True
            )
        if code == OPTED_OUT:
            return Answer(key, Outcome.REFUSED, why=f"Twilio {code}: {HAS_OPTED_OUT}")
        if code in TOO_MANY:
            why, wait = f"Twilio {code}: {TOO_MANY_MESSAGES}", reply.retry_after or 5.0
            return Answer(key, Outcome.BUSY, why=why, retry_after=wait, is_channel=True)
        if code in SETTING_CODES:
            why = f"Twilio {code}: {NOT_THE_SENDER}"
            return Answer(key, Outcome.BUSY, why=why, retry_after=SETTING_REST, is_channel=True)
        return judge(key, reply, keyed=False)

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Look for a message to this number, of these words, created between the two times.

        One of other words may be it: names in them may have changed since.
        """
        params: dict[str, Any] = {
            "To": letter.address,
            "DateSent>": (since - timedelta(days=1)).date().isoformat(),
            "PageSize": PAGE,
        }
        try:
            with httpx.Client(timeout=ASK_SECONDS, trust_env=False) as http:
                reply = http.get(self.url, params=params, auth=(self._sid, self._token))
                reply.raise_for_status()
                rows = reply.json().get("messages")
        except (httpx.HTTPError, ValueError, AttributeError) as error:
            raise ChannelBusy("Twilio cannot be asked now", retry_after=60) from error
        answer = None
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict):
                continue
            made = _moment(row.get("date_created"))
            reference = as_reference(row.get("sid"))
            if not made or not since <= made <= until or reference in known:
                continue
            if row.get("body") == letter.text:
                return Answer(letter.key, Outcome.TAKEN, reference=reference, at=made)
            answer = Answer(letter.key, Outcome.UNCLEAR)
        return answer


def _code_in(reply: Reply) -> int:
    code = fields_in(reply.body).get("code")
    return code if isinstance(code, int) else 0


def _moment(value: object) -> datetime | None:
    try:
        return parsedate_to_datetime(str(value)).astimezone(UTC)
    except ValueError:
        return None


def is_signed(url: str, form: Mapping[str, str], signature: str, *, token: str) -> bool:
    """Whether a webhook call is Twilio's: HMAC-SHA1 over the address and the sorted fields."""
    said = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    mine = hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(base64.b64encode(mine).decode(), signature)


def receipt_in(form: Mapping[str, str], *, now: datetime) -> Receipt | None:
    """Read a status callback or an inbound message; ``None`` for steps on the way."""
    sid = as_reference(form.get("MessageSid"))
    if "MessageStatus" not in form and "Body" in form:
        return Receipt(
            ReceiptKind.REPLIED, at=now, address=form.get("From", ""), text=form["Body"][:1600]
        )
    status = form.get("MessageStatus", "")
    if status not in _KINDS:
        return None
    kind = ReceiptKind.BOUNCED if form.get("ErrorCode") in _DEAD else _KINDS[status]
    return Receipt(kind, at=now, reference=sid, why=form.get("ErrorCode", "")[:40])
