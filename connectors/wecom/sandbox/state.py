"""Everything the sandbox knows: plain records, and the ``World`` that holds them.

Every record has a ``seq`` from one counter. Pages are cut by it, so a row that
goes away between two pages never hides another one.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from connectors.wecom.sandbox.clock import Agenda, Clock
from connectors.wecom.sandbox.settings import Quota, SandboxSettings

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request as the journal keeps it; ``at`` is sandbox time in epoch seconds.

    ``trouble`` is what the front door saw and a replay cannot: "crowded" when too many
    calls of this path were under way, "unreadable" when the body was not JSON.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Json
    trouble: str = ""


@dataclass
class Staff:
    userid: str
    name: str
    departments: list[int]
    active: bool = True
    real_name: bool = True
    can_follow: bool = True
    capacity: int = 20_000
    departed_at: float | None = None

    @property
    def at_work(self) -> bool:
        return self.departed_at is None


@dataclass
class Follow:
    """WeCom's follow_user: one member connected to one customer."""

    seq: int
    userid: str
    external_userid: str
    createtime: int
    remark: str = ""
    description: str = ""
    remark_company: str = ""
    remark_mobiles: list[str] = field(default_factory=list)
    tag_ids: list[str] = field(default_factory=list)
    state: str = ""
    add_way: int = 0
    oper_userid: str = ""


@dataclass
class Customer:
    """``mood``: accept, refuse, delete or silent; see the README for what each does in a transfer."""

    external_userid: str
    name: str
    type: int = 1
    unionid: str = ""
    gender: int = 0
    mood: str = "accept"
    follows: dict[str, Follow] = field(default_factory=dict)


@dataclass
class Unassigned:
    """A customer whose member has left: no longer a follow, still transferable."""

    seq: int
    follow: Follow
    left_at: float


@dataclass
class Tag:
    seq: int
    id: str
    name: str
    order: int
    create_time: int


@dataclass
class TagGroup:
    seq: int
    id: str
    name: str
    order: int
    create_time: int
    tags: dict[str, Tag] = field(default_factory=dict)


@dataclass
class Way:
    """A contact way; ``turn`` counts its scans for the round robin."""

    seq: int
    config_id: str
    created_at: float
    values: Json
    turn: int = 0


@dataclass
class WelcomeCode:
    code: str
    userid: str
    external_userid: str
    issued_at: float
    used: bool = False


@dataclass
class Recipient:
    """``status`` as in get_groupmsg_send_result: 0 unsent, 1 sent, 2 not a friend, 3 receive limit."""

    seq: int
    id: str
    status: int = 0
    send_time: int = 0


@dataclass
class Task:
    """One member's share of a message; ``status`` 0 unsent, 2 sent."""

    seq: int
    userid: str
    recipients: dict[str, Recipient]
    status: int = 0
    send_time: int = 0


@dataclass
class Message:
    seq: int
    msgid: str
    chat_type: str
    created_at: float
    text: str
    attachments: list[Json]
    fail_list: list[str]
    tasks: dict[str, Task] = field(default_factory=dict)
    cancelled: bool = False
    reminders: list[float] = field(default_factory=list)


@dataclass
class Moment:
    """``published`` is when each member published it, 0 for not yet.

    The first ``likes`` customers of each like it, the first ``comments`` of them say something,
    and so do, of the other members, the first ``staff_likes`` and ``staff_comments``.
    """

    seq: int
    jobid: str
    moment_id: str
    created_at: float
    text: str
    attachments: list[Json]
    tag_ids: list[str]
    published: dict[str, int]
    invalid_senders: list[str]
    invalid_tags: list[str]
    cancelled: bool = False
    likes: int = 0
    comments: int = 0
    staff_likes: int = 0
    staff_comments: int = 0


@dataclass
class Transfer:
    """``status`` as in transfer_result: 1 done, 2 waiting, 3 refused, 4 takeover full, 5 no record."""

    seq: int
    resigned: bool
    handover: str
    takeover: str
    external_userid: str
    requested_at: float
    takeover_time: float
    status: int = 2


@dataclass
class GroupChat:
    seq: int
    chat_id: str
    name: str
    owner: str
    create_time: int
    members: list[Json]
    transfers: list[float] = field(default_factory=list)
    on_job: list[float] = field(default_factory=list)
    errcode: int = 0


@dataclass
class Callback:
    """One event on its way; ``state`` is waiting, sent, failed or dropped."""

    seq: int
    at: float
    xml: str
    copies: int = 1
    wrong_key: bool = False
    state: str = "waiting"
    attempts: int = 0


@dataclass
class Knobs:
    """What can be turned while the sandbox runs; seconds and counts."""

    quota: Quota
    token_seconds: int = 7200
    poll_wait: int = 60
    page_size: int = 0
    latency_ms: int = 0
    rate_per_minute: int = 10_000
    tokens_per_minute: int = 10
    concurrency: int = 5
    forget_cancelled: int = 0
    sending_takes: int = 0
    takeover_full: list[str] = field(default_factory=list)
    shuffle: int = 0


@dataclass
class Ledger:
    """What has been done to the sandbox, for tests to compare with."""

    calls: Counter[str] = field(default_factory=Counter)
    errcodes: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    violations: list[Json] = field(default_factory=list)
    deliveries: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    welcomes: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    transfer_calls: list[Json] = field(default_factory=list)
    app_messages: list[Json] = field(default_factory=list)

    def breach(self, at: float, path: str, what: str) -> None:
        self.violations.append({"at": at, "path": path, "what": what})


class World:
    """The whole state. Only ever touched under the lock of ``service.Sandbox``.

    ``born_at`` is part of every id: whoever remembers ids of an earlier world never
    meets them again in this one.
    """

    def __init__(self, settings: SandboxSettings, clock: Clock, born_at: float = 0.0) -> None:
        self.born_at = born_at
        self.settings = settings
        self.clock = clock
        self.agenda = Agenda()
        self.knobs = Knobs(quota=settings.quota)
        self.ledger = Ledger()
        self.seq = 0
        self.departments: dict[int, Json] = {
            1: {"id": 1, "name": "Company", "parentid": 0, "order": 1}
        }
        self.staff: dict[str, Staff] = {}
        self.customers: dict[str, Customer] = {}
        self.books: dict[str, dict[str, Follow]] = defaultdict(dict)
        self.unassigned: dict[tuple[str, str], Unassigned] = {}
        self.tag_groups: dict[str, TagGroup] = {}
        self.ways: dict[str, Way] = {}
        self.welcome_codes: dict[str, WelcomeCode] = {}
        self.messages: dict[str, Message] = {}
        self.moments: dict[str, Moment] = {}
        self.received: Counter[tuple[str, str]] = Counter()
        self.transfers: dict[tuple[bool, str, str, str], Transfer] = {}
        self.transfer_history: dict[str, list[Transfer]] = defaultdict(list)
        self.groups: dict[str, GroupChat] = {}
        self.media: dict[str, Json] = {}
        self.image_urls: set[str] = set()
        self.tokens: dict[str, float] = {}
        self.current_token = ""
        self.token_fetches: list[float] = []
        self.minutes: dict[str, tuple[int, int]] = {}
        self.blocked_until: dict[str, float] = {}
        self.app_message_times: dict[str, list[float]] = defaultdict(list)
        self.faults: list[Json] = []
        self.callback_faults: dict[str, int] = {}
        self.callbacks: dict[int, Callback] = {}
        self.unsent: dict[int, Callback] = {}

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def new_id(self, prefix: str) -> str:
        """An id that looks drawn at random and is the same in every replay."""
        source = f"{self.settings.corp_id}:{self.born_at}:{prefix}:{self.next_seq()}"
        return prefix + sha256(source.encode()).hexdigest()[:24]

    def follow(self, userid: str, external_userid: str) -> Follow | None:
        return self.books[userid].get(external_userid) if userid in self.books else None

    def tag(self, tag_id: str) -> tuple[TagGroup, Tag] | None:
        for group in self.tag_groups.values():
            if tag_id in group.tags:
                return group, group.tags[tag_id]
        return None
