"""The settings of one connection to WeCom."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WeComConfig:
    """One self-built app of one company; its secrets stay out of ``repr`` and so out of logs.

    ``api_url`` is the address up to and with ``/cgi-bin``. The two callback fields may be empty
    where nothing is received.
    """

    api_url: str
    corp_id: str
    agent_id: str
    secret: str = field(repr=False)
    callback_token: str = field(default="", repr=False)
    callback_aes_key: str = field(default="", repr=False)
