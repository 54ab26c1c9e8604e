"""What a sandbox is started with: who it pretends to be and where its callbacks go."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PERIODS = ("day", "week", "month")


@dataclass(frozen=True)
class Quota:
    """How many bulk messages one customer may get per period; ``count`` 0 means one per day of the month."""

    period: str = "month"
    count: int = 0

    @classmethod
    def parse(cls, text: str) -> "Quota":
        """Read ``month:30`` (or ``month,30``, or only ``month``); raises ``ValueError`` otherwise."""
        period, _, count = text.replace(",", ":").partition(":")
        if period.strip() not in PERIODS or (count and not count.strip().isdigit()):
            raise ValueError(
                f"A quota is one of {PERIODS} and a number, such as month:30, not {text!r}"
            )
        return cls(period.strip(), int(count or 0))


@dataclass(frozen=True)
class SandboxSettings:
    """The fixed identity of one sandbox; everything that may change while it runs is a knob.

    Without ``callback_url`` events are listed in the ledger as waiting and never sent.
    Without ``journal`` the state dies with the process.
    """

    corp_id: str
    secret: str
    agent_id: str
    callback_url: str = ""
    callback_token: str = ""
    callback_aes_key: str = ""
    journal: Path | None = None
    quota: Quota = Quota()
    callback_timeout: float = 5.0
    callback_retry_after: float = 1.0

    def __post_init__(self) -> None:
        if self.callback_url and not (self.callback_token and len(self.callback_aes_key) == 43):
            raise ValueError(
                "A callback address needs WECOM_CALLBACK_TOKEN and a WECOM_CALLBACK_AES_KEY of 43 characters"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "SandboxSettings":
        """Read the same ``WECOM_…`` names as the product, so that both agree without more configuration."""
        journal = environment.get("SANDBOX_JOURNAL", "")
        return cls(
            corp_id=environment.get("WECOM_CORP_ID", "ww0000000000000001"),
            secret=environment.get("WECOM_SECRET", "sandbox-secret"),
            agent_id=environment.get("WECOM_AGENT_ID", "1000002"),
            callback_url=environment.get("SANDBOX_CALLBACK_URL", ""),
            callback_token=environment.get("WECOM_CALLBACK_TOKEN", ""),
            callback_aes_key=environment.get("WECOM_CALLBACK_AES_KEY", ""),
            journal=Path(journal) if journal else None,
            quota=Quota.parse(environment.get("WECOM_RECEIVE_QUOTA") or "month"),
        )
