"""How often one address may ask for public pages: counted per minute in the cache."""

import logging
import time

from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger(__name__)

A_MINUTE = {"links": 600, "guesses": 30}
"""Whole offices and mobile networks share an address; guesses are for those who make tokens up."""


def is_too_often(request: HttpRequest, what: str) -> bool:
    """Count this request of the visitor's address, and say whether it is one too many.

    With the cache away nobody is held up.
    """
    minute = int(time.time() // 60)
    who = BaseThrottle().get_ident(request)  # type: ignore[arg-type]  # it reads META only
    key = f"public:{what}:{who}:{minute}"
    try:
        cache.add(key, 0, timeout=120)
        return bool(cache.incr(key) > A_MINUTE[what])
    except (RedisError, OSError, ValueError):
        logger.warning("request not counted", exc_info=True)
        return False
