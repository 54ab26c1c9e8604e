from collections.abc import Iterator
from uuid import uuid4

import pytest
from redis import Redis

from connectors.wecom import client as client_module
from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig
from tests.connectors.wecom.scripted import ScriptedWeCom


@pytest.fixture
def wecom() -> Iterator[ScriptedWeCom]:
    scripted = ScriptedWeCom()
    yield scripted
    scripted.close()


@pytest.fixture
def config(wecom: ScriptedWeCom) -> WeComConfig:
    """The settings of a company that no other test has, so that nothing in Redis is shared."""
    return WeComConfig(
        api_url=wecom.url,
        corp_id=f"ww{uuid4().hex[:16]}",
        agent_id="1000002",
        secret="SECRET-OF-THE-APP",
        callback_token="QDG6eK",
        callback_aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    )


@pytest.fixture
def client(
    config: WeComConfig, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WeComClient]:
    """A client that does not wait long between attempts."""
    monkeypatch.setattr(client_module, "BACK_OFF", (0.01, 0.01, 0.01))
    made = WeComClient(config, redis)
    yield made
    made.close()
