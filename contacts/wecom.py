"""The connection to WeCom, built from the settings."""

from functools import cache

from django.conf import settings
from redis import Redis

from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig

READING = 150
"""Seconds of patience for reading page after page: WeCom pauses an endpoint for 60 s."""


def wecom_config() -> WeComConfig | None:
    """Return the settings of the connection; ``None`` when the company does without WeCom."""
    if not settings.WECOM_CORP_ID:
        return None
    return WeComConfig(
        api_url=settings.WECOM_API_URL,
        corp_id=settings.WECOM_CORP_ID,
        agent_id=settings.WECOM_AGENT_ID,
        secret=settings.WECOM_SECRET,
        callback_token=settings.WECOM_CALLBACK_TOKEN,
        callback_aes_key=settings.WECOM_CALLBACK_AES_KEY,
    )


def wecom(*, patience: float = 0) -> WeComClient | None:
    """Return the client that this process shares; ``None`` when WeCom is not set up.

    ``patience`` is how many seconds a reading call may wait while WeCom is busy.
    """
    config = wecom_config()
    return _client(config, settings.REDIS_URL, patience) if config else None


@cache
def _client(config: WeComConfig, redis_url: str, patience: float) -> WeComClient:
    redis = Redis.from_url(redis_url, **settings.REDIS_OPTIONS)
    return WeComClient(config, redis, patience=patience)
