"""The address that WeCom calls: verify, store, answer within milliseconds."""

import logging

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from connectors.wecom.callback import BODY_LIMIT, BadCallback, open_envelope, verify_url
from contacts.wecom import wecom_config
from crm.actions.callbacks import store_callback

logger = logging.getLogger(__name__)


@csrf_exempt  # the caller proves itself with the signature over the body
@require_http_methods(["GET", "POST"])
def wecom_callback(request: HttpRequest) -> HttpResponse:
    """Answer WeCom's check of the address, or store one event.

    Anything that is not signed by WeCom for this company gets an empty 400 and leaves no trace
    in the database. A repeated event gets the same empty 200.
    """
    config = wecom_config()
    if config is None or not config.callback_token:
        return HttpResponse(status=404)
    query = request.GET.dict()
    try:
        if request.method == "GET":
            return HttpResponse(verify_url(config, query), content_type="text/plain")
        if int(request.headers.get("Content-Length") or 0) > BODY_LIMIT:
            return HttpResponseBadRequest()
        event = open_envelope(config, query, request.read(BODY_LIMIT + 1))
    except (BadCallback, ValueError) as error:
        logger.warning("a callback was refused: %s", getattr(error, "reason", "malformed"))
        return HttpResponseBadRequest()
    store_callback(event, now=timezone.now())
    return HttpResponse()
