"""The control side from outside: for the demo and for tests."""

import ssl
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

import httpx

Json = dict[str, Any]
CHUNK = 1_000
ROWS = 5_000


class SandboxControl:
    """One method per control call; raises ``httpx.HTTPStatusError`` when one is refused."""

    def __init__(self, base_url: str, *, timeout: float = 30.0) -> None:
        plain_http = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loopback; no authorities to read
        self._http = httpx.Client(
            base_url=base_url, timeout=timeout, trust_env=False, verify=plain_http
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def reset(self) -> None:
        """Forget everything, the journal included, and go back to real time."""
        self._post("reset", {})

    def seed(
        self,
        *,
        staff: Sequence[Json] = (),
        tags: Sequence[Json] = (),
        customers: Iterable[Json] = (),
        groups: Sequence[Json] = (),
        departments: Sequence[Json] = (),
        **knobs: object,
    ) -> dict[str, dict[str, str]]:
        """Add people, customers a thousand per call; returns tag ids as {group: {name: id}}."""
        first = {"staff": list(staff), "tags": list(tags), "departments": list(departments)}
        tag_ids: dict[str, dict[str, str]] = self._post("seed", {**first, **knobs})["tags"]
        rows = iter(customers)
        while chunk := list(islice(rows, CHUNK)):
            self._post("seed", {"customers": chunk})
        if groups:
            self._post("seed", {"groups": list(groups)})
        return tag_ids

    def clock(self) -> Json:
        """``now`` and ``offset`` in seconds, and how many events are ``due`` later."""
        return self._get("clock")

    def advance(self, seconds: float) -> Json:
        return self._post("clock", {"advance": seconds})

    def confirm(self, *, userid: str = "", msgid: str = "", share: float = 1.0) -> Json:
        """Staff confirm their tasks; counts of tasks, left, sent, not_friend and capped."""
        return self._post("confirm", {"userid": userid, "msgid": msgid, "share": share})

    def publish(self, *, userid: str = "", moment_id: str = "", **reactions: int) -> int:
        """Members publish the moments that wait for them; returns how many times that was.

        ``reactions`` are ``likes``, ``comments``, ``staff_likes`` and ``staff_comments``.
        """
        body = {"userid": userid, "moment_id": moment_id, **reactions}
        return int(self._post("publish", body)["published"])

    def tasks(self, userid: str = "") -> list[Json]:
        return list(self._rows("tasks", {"userid": userid}))

    def scan(
        self, people: Sequence[Json], *, state: str = "", userid: str = "", spread: int = 0
    ) -> int:
        """People scan the code with ``state``, or add ``userid``, over ``spread`` seconds."""
        body = {"people": list(people), "state": state, "userid": userid, "spread": spread}
        return int(self._post("scan", body)["scheduled"])

    def depart(self, userid: str) -> int:
        """Remove a member; returns how many customers wait to be taken over."""
        return int(self._post("depart", {"userid": userid})["unassigned"])

    def decide(self, userid: str) -> int:
        """Whoever waits to be handed over by this member decides now; returns how many did."""
        return int(self._post("decide", {"userid": userid})["decided"])

    def remove(self, *, external_userid: str, userid: str, by: str = "customer") -> None:
        self._post("remove", {"external_userid": external_userid, "userid": userid, "by": by})

    def change_chat(self, chat_id: str, change: str = "update", **what: object) -> None:
        """Somebody opens (``create``), changes or ends (``dismiss``) a group chat."""
        self._post("chat", {"chat_id": chat_id, "change": change, **what})

    def faults(self, **faults: object) -> Json:
        """Arm faults or turn knobs; see the README of the sandbox."""
        return self._post("faults", faults)

    def ledger(self) -> Json:
        """The summary."""
        return self._get("ledger")

    def rows(self, part: str, **filters: str) -> list[Json]:
        """All rows of one part of the ledger: messages, deliveries, welcomes, violations, …"""
        return list(self._rows(f"ledger/{part}", filters))

    def _rows(self, path: str, filters: dict[str, str]) -> Iterator[Json]:
        after: int | None = 0
        while after is not None:
            query = {
                **{name: value for name, value in filters.items() if value},
                "after": str(after),
                "limit": str(ROWS),
            }
            page = self._get(path, query)
            yield from page["rows"]
            after = page["next"]

    def _get(self, path: str, query: dict[str, str] | None = None) -> Json:
        return self._said(self._http.get(f"/sandbox/{path}", params=query))

    def _post(self, path: str, body: Json) -> Json:
        return self._said(self._http.post(f"/sandbox/{path}", json=body))

    @staticmethod
    def _said(answer: httpx.Response) -> Json:
        answer.raise_for_status()
        said: Json = answer.json()
        return said
