"""The connection to WeCom, built from the settings."""

from functools import cache

from django.conf import settings
from redis import Redis

from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig


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


def wecom() -> WeComClient | None:
    """Return the client that this process shares; ``None`` when WeCom is not set up."""
    config = wecom_config()
    return _client(config, settings.REDIS_URL) if config else None


@cache
def _client(config: WeComConfig, redis_url: str) -> WeComClient:
    return WeComClient(
        config, Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
    )
