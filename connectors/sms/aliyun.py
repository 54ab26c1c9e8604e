"""Aliyun's SMS service (Dysmsapi 2017-05-25), signed with ACS3-HMAC-SHA256.

``aliyun+https://KEY_ID:KEY_SECRET@dysmsapi.aliyuncs.com/?sign=…&template=SMS_…&param=text``. An SMS
in China is a template that the authorities know; our text fills its one variable. ``OutId`` carries
our key, and comes back with receipts and when the service is asked.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

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
from connectors.sms.formats import address_of, login_of, options_of
from connectors.words import gettext_noop

VERSION = "2017-05-25"
ALGORITHM = "ACS3-HMAC-SHA256"
RECEIVED = {"code": 0, "msg": "OK"}
"""What a push of SmsReport or SmsUp wants for an answer."""

CHINA = timezone(timedelta(hours=8))
ASK_SECONDS = 10.0
SAYS_NOTHING = gettext_noop("Aliyun's answer says nothing")

BUSY_CODES = frozenset({"isv.BUSINESS_LIMIT_CONTROL", "isp.SYSTEM_ERROR"})
NUMBER_CODES = frozenset({"isv.MOBILE_NUMBER_ILLEGAL", "isv.MOBILE_COUNT_OVER_LIMIT"})
SETTING_CODES = frozenset(
    {
        "isv.AMOUNT_NOT_ENOUGH",
        "isv.OUT_OF_SERVICE",
        "isv.ACCOUNT_NOT_EXISTS",
        "isv.ACCOUNT_ABNORMAL",
        "isv.PRODUCT_UN_SUBSCRIPT",
        "isv.PRODUCT_UNSUBSCRIBE",
        "isp.RAM_PERMISSION_DENY",
        "isv.DENY_IP_RANGE",
        "isv.DAY_LIMIT_CONTROL",
        "isv.MONTH_LIMIT_CONTROL",
        "isv.SMS_SIGNATURE_ILLEGAL",
        "isv.SMS_SIGN_ILLEGAL",
        "isv.SIGN_STATE_ILLEGAL",
        "isv.SMS_SIGNATURE_SCENE_ILLEGAL",
        "isv.SMS_TEMPLATE_ILLEGAL",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId.NotFound",
        "InvalidAccessKeyId.Inactive",
        "InvalidTimeStamp.Expired",
    }
)
"""They speak of the account, its limits and what is set up here, not of one letter."""


class Aliyun:
    """Aliyun's format."""

    recovery = Recovery.ASKABLE

    def __init__(self, parts: SplitResult) -> None:
        self._key, self._secret = login_of(parts)
        if not (self._key and self._secret):
            raise ValueError("SMS_URL for Aliyun needs KEY_ID:KEY_SECRET before the host.")
        options = options_of(parts, "sign", "template")
        self.url = address_of(parts)
        self._sign, self._template = options["sign"], options["template"]
        self._param = options.get("param", "text")

    def call(self, letter: Letter) -> Call:
        """Send the template with our text as its variable."""
        query = {
            "PhoneNumbers": _number(letter.address),
            "SignName": self._sign,
            "TemplateCode": self._template,
            "TemplateParam": json.dumps({self._param: letter.text}, ensure_ascii=False),
            "OutId": letter.key,
        }
        body = _form(query).encode()
        return Call((letter.key,), body, self._signed("SendSms", body, datetime.now(tz=UTC)))

    def answer(self, key: str, reply: Reply) -> Answer:
        """By Aliyun's code; its refusals come with HTTP 200 as well as with 4xx."""
        said = fields_in(reply.body) if reply.body else {}
        code = str(said.get("Code") or "")
        if reply.status == 200 and code == "OK":
            return Answer(key, Outcome.TAKEN, reference=as_reference(said.get("BizId")))
        if code in BUSY_CODES:
            return Answer(key, Outcome.BUSY, why=f"Aliyun {code}", retry_after=60.0)
        if code in SETTING_CODES:
            why = f"Aliyun {code}"
            return Answer(key, Outcome.BUSY, why=why, retry_after=300.0, is_channel=True)
        if code.startswith("Throttling"):
            why = f"Aliyun {code[:80]}"
            return Answer(key, Outcome.BUSY, why=why, retry_after=5.0, is_channel=True)
        if code and reply.status < 500:
            why = f"Aliyun {code[:80]}"
            return Answer(key, Outcome.REFUSED, why=why, is_address=code in NUMBER_CODES)
        if reply.status == 200:
            return Answer(key, Outcome.UNCLEAR, why=SAYS_NOTHING)
        return judge(key, reply, keyed=False)

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Ask for the messages to this number on that day, and find ours by ``OutId``."""
        for day in sorted({since.astimezone(CHINA).date(), until.astimezone(CHINA).date()}):
            query = {
                "PhoneNumber": _number(letter.address),
                "SendDate": day.strftime("%Y%m%d"),
                "PageSize": "50",
                "CurrentPage": "1",
            }
            for row in self._ask(query):
                if row.get("OutId") == letter.key:
                    return Answer(letter.key, Outcome.TAKEN, at=_moment(row.get("SendDate")))
        return None

    def _ask(self, query: dict[str, str]) -> Iterable[dict[str, Any]]:
        body = _form(query).encode()
        headers = dict(
            line.split(": ", 1)
            for line in self._signed("QuerySendDetails", body, datetime.now(tz=UTC))
        )
        try:
            with httpx.Client(timeout=ASK_SECONDS, trust_env=False) as http:
                said = http.post(self.url, content=body, headers=headers).json()
            if said.get("Code") != "OK":
                raise ChannelBusy("Aliyun cannot be asked now", retry_after=60)
            rows = said["SmsSendDetailDTOs"]["SmsSendDetailDTO"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChannelBusy("Aliyun cannot be asked now", retry_after=60) from error
        return [row for row in rows if isinstance(row, dict)]

    def _signed(self, action: str, body: bytes, at: datetime) -> list[str]:
        """Sign as Aliyun's "V3 request body & signature" says: RPC style, form in the body."""
        digest = hashlib.sha256(body).hexdigest()
        parts = urlsplit(self.url)
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "host": parts.netloc,
            "x-acs-action": action,
            "x-acs-content-sha256": digest,
            "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-version": VERSION,
        }
        names = ";".join(headers)
        canonical = "\n".join(
            [
                "POST",
                parts.path or "/",
                "",
                "".join(f"{name}:{value}\n" for name, value in headers.items()),
                names,
                digest,
            ]
        )
        to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        mine = hmac.new(self._secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = (
            f"{ALGORITHM} Credential={self._key},SignedHeaders={names},Signature={mine}"
        )
        return [f"{name}: {value}" for name, value in headers.items()]


def _form(query: dict[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in query)


def _moment(value: object) -> datetime | None:
    """Read a time such as 2026-03-02 12:00:00, as clocks in China show it."""
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=CHINA)
    except ValueError:
        return None


def _number(address: str) -> str:
    """Chinese numbers go without a country code, others with it and nothing before it."""
    return address.removeprefix("+86") if address.startswith("+86") else address.lstrip("+")


def receipts_in(rows: object, *, now: datetime) -> list[Receipt]:
    """Read a push of SmsReport or SmsUp: a JSON list of rows."""
    found = []
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        if "content" in row:
            number = str(row.get("phone_number") or "")
            text = str(row["content"])[:1600]
            found.append(Receipt(ReceiptKind.REPLIED, at=now, address=_e164(number), text=text))
        elif "success" in row:
            kind = ReceiptKind.DELIVERED if row["success"] is True else ReceiptKind.FAILED
            found.append(
                Receipt(
                    kind,
                    at=now,
                    key=str(row.get("out_id") or "")[:64],
                    reference=as_reference(row.get("biz_id")),
                    why=str(row.get("err_code") or "")[:40],
                )
            )
    return found


def _e164(number: str) -> str:
    number = number.removeprefix("+").removeprefix("00")
    return f"+86{number}" if len(number) == 11 and number.startswith("1") else f"+{number}"
