"""WeCom's server API: the wire format, its limits and its errors, and nothing of our models.

``config``       the settings of one connection, passed in by whoever builds the client
``client``       ``WeComClient.call``: one request, with token, budget, retries and judgement
``access_token`` the token that all processes share, and ``budget`` the calls they may make
``errors``       what a failure means for the caller; ``error_table`` the codes as data
``api``          one typed function per endpoint, grouped as WeCom's documentation groups them
``callback``     what WeCom sends to us: verified, decrypted, read; ``crypto`` underneath
``sandbox``      a stand-in for WeCom to develop and test against
"""

from connectors.wecom.callback import BadCallback, Event, open_envelope, verify_url
from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig
from connectors.wecom.errors import Busy, ConfigProblem, Refused, Unclear, WeComError

__all__ = [
    "BadCallback",
    "Busy",
    "ConfigProblem",
    "Event",
    "Refused",
    "Unclear",
    "WeComClient",
    "WeComConfig",
    "WeComError",
    "open_envelope",
    "verify_url",
]
