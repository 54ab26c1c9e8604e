"""The addresses that SMS gateways and mail providers call: verify, store, answer."""

import hmac
import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from connectors.base import Receipt
from connectors.smtp.sns import Topics, Unreachable
from connectors.told import (
    NotTheirs,
    Senseless,
    Told,
    answer_to_sms,
    read_mail,
    read_mailgun,
    read_postmark,
    read_sendgrid,
    read_ses,
    read_sms,
)
from crm.actions.told import store_receipts

logger = logging.getLogger(__name__)

BODY_LIMIT = 1_000_000


@csrf_exempt  # the caller proves itself with a signature or the key
@require_POST
def sms_told(request: HttpRequest) -> HttpResponse:
    """Store what the SMS gateway tells of messages, and what people answered."""
    if not settings.SMS_URL:
        return HttpResponse(status=404)

    def read(told: Told, now: datetime) -> list[Receipt]:
        return read_sms(told, sms_url=settings.SMS_URL, now=now)

    answer = _store(request, "sms", read)
    said = answer_to_sms(settings.SMS_URL)
    return JsonResponse(said) if said and answer.status_code == HTTPStatus.OK else answer


@csrf_exempt  # the caller proves itself with the key
@require_POST
def mail_told(request: HttpRequest) -> HttpResponse:
    """Store what the mail provider tells of letters, and what people answered."""
    return _store(request, "mail", lambda told, now: read_mail(told, now=now))


@csrf_exempt  # the caller proves itself with a signature
@require_POST
def sendgrid_told(request: HttpRequest) -> HttpResponse:
    """Store what SendGrid's event webhook tells."""
    key = settings.SENDGRID_WEBHOOK_KEY
    if not key:
        return HttpResponse(status=404)
    return _store(request, "mail", lambda told, now: read_sendgrid(told, key=key, now=now))


@csrf_exempt  # the caller proves itself with a signature
@require_POST
def mailgun_told(request: HttpRequest) -> HttpResponse:
    """Store what a webhook of Mailgun tells; what was signed once counts once."""
    key = settings.MAILGUN_WEBHOOK_KEY
    if not key:
        return HttpResponse(status=404)
    now = timezone.now()
    told = _told(request)
    if told is None:
        return HttpResponse(status=413)
    try:
        token, receipts = read_mailgun(told, key=key, now=now)
    except NotTheirs:
        return _refused("mail")
    store_receipts("mail", receipts, raw=f"mailgun {token}".encode(), now=now, keep_empty=True)
    return HttpResponse()


@csrf_exempt  # the caller proves itself with a password
@require_POST
def postmark_told(request: HttpRequest) -> HttpResponse:
    """Store what a webhook of Postmark tells."""
    key = settings.POSTMARK_WEBHOOK_KEY
    if not key:
        return HttpResponse(status=404)
    return _store(request, "mail", lambda told, now: read_postmark(told, key=key, now=now))


@csrf_exempt  # the caller proves itself with a signature
@require_POST
def ses_told(request: HttpRequest) -> HttpResponse:
    """Store what Amazon SES tells through SNS; while SNS cannot be asked, have it come again."""
    if not settings.SES_TOPIC_ARNS:
        return HttpResponse(status=404)
    topics = Topics(settings.SES_TOPIC_ARNS, via=settings.SES_SNS_VIA)
    now = timezone.now()
    told = _told(request)
    if told is None:
        return HttpResponse(status=413)
    try:
        number, receipts = read_ses(told, topics=topics, now=now)
    except NotTheirs:
        return _refused("mail")
    except Unreachable:
        return HttpResponse(status=503)
    store_receipts("mail", receipts, raw=f"sns {number}".encode(), now=now)
    return HttpResponse()


def _store(
    request: HttpRequest, provider: str, read: Callable[[Told, datetime], list[Receipt]]
) -> HttpResponse:
    """Whatever is not proven to be the provider's gets an empty 403 and leaves no trace."""
    now = timezone.now()
    told = _told(request)
    if told is None:
        return HttpResponse(status=413)
    try:
        receipts = read(told, now)
    except NotTheirs:
        return _refused(provider)
    except Senseless:
        logger.warning("a call about %s was refused: malformed", provider)
        return HttpResponse(status=400)
    store_receipts(provider, receipts, raw=told.body, now=now)
    return HttpResponse()


def _told(request: HttpRequest) -> Told | None:
    """Return the call as it came in, and nothing if it is too long to be one."""
    raw = request.read(BODY_LIMIT + 1)
    if len(raw) > BODY_LIMIT:
        return None
    return Told(
        url=f"{settings.PUBLIC_URL}{request.get_full_path()}",
        body=raw,
        headers=request.headers,
        has_key=_has_key(request),
    )


def _refused(provider: str) -> HttpResponse:
    logger.warning("a call about %s was refused: not signed", provider)
    return HttpResponse(status=403)


def _has_key(request: HttpRequest) -> bool:
    """Without ``LIUKE_CALLBACK_KEY`` nobody has it."""
    given = request.GET.get("key", "")
    wanted = settings.CALLBACK_KEY
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())
