"""How often a key or a person may ask: so many requests in each minute, counted in the cache."""

import logging
import time
from typing import TYPE_CHECKING

from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from contacts.models import ApiKey

if TYPE_CHECKING:  # Django REST framework loads this module while it loads its own views
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class KeyThrottle(SimpleRateThrottle):
    """Counts per API key, else per account, in fixed windows: one counter, whatever the rate.

    With the cache away nobody is held up: the database has its own limits.
    """

    scope = "user"
    duration: int
    num_requests: int
    left: float

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Whether this request still fits into the current window."""
        if self.rate is None:
            return True
        who = self.get_cache_key(request, view)
        window = int(time.time() // self.duration)
        self.left = (window + 1) * self.duration - time.time()
        try:
            cache.add(f"{who}:{window}", 0, timeout=self.duration)
            return bool(cache.incr(f"{who}:{window}") <= self.num_requests)
        except (RedisError, OSError, ValueError):  # ValueError: the window ended between the two
            logger.warning("request not counted", exc_info=True)
            return True

    def wait(self) -> float:
        """Seconds until the next window."""
        return self.left

    def get_cache_key(self, request: Request, view: "APIView") -> str:
        """Say whose requests are counted."""
        if isinstance(request.auth, ApiKey):
            return f"throttle:key:{request.auth.pk}"
        return f"throttle:account:{request.user.pk or self.get_ident(request)}"
