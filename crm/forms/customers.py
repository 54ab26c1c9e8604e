"""The filters above the customer list, as they arrive in the address."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import QueryDict

from contacts.models import Customer
from crm.paging import search_words, whole_number
from crm.queries import QUIET_AFTER, quiet_among

POOL = "pool"
MOST_QUIET_DAYS = 3650


def quiet_days(text: str) -> int:
    """Read for how many days nobody has been in contact; ``1`` is the usual month, 0 not given."""
    days = whole_number(text) or 0
    if days == 1:
        return QUIET_AFTER.days
    return days if days <= MOST_QUIET_DAYS else 0


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """What a person looks for. Values that make no sense count as not given."""

    words: str = ""
    store: int | None = None
    owner: int | None = None
    tag: int | None = None
    in_pool: bool = False
    quiet: int = 0
    segment: int | None = None
    """The view applies it: which segments there are depends on who looks."""

    @classmethod
    def read(cls, query: QueryDict) -> "CustomerFilter":
        """Read the filter from an address."""
        owner = query.get("owner", "")
        return cls(
            words=search_words(query.get("q")),
            store=whole_number(query.get("store")),
            owner=whole_number(owner),
            tag=whole_number(query.get("tag")),
            in_pool=owner == POOL,
            quiet=quiet_days(query.get("quiet", "")),
            segment=whole_number(query.get("segment")),
        )

    def apply(self, customers: QuerySet[Customer], *, now: datetime) -> QuerySet[Customer]:
        """Narrow the customers down; what the viewer may not see is not among them to begin with."""
        conditions = Q()
        if self.words:
            # search_key is stored in lower case, so that the trigram index serves a plain LIKE.
            conditions &= Q(search_key__contains=self._needle())
        if self.store:
            conditions &= Q(store=self.store)
        if self.owner:
            conditions &= Q(owner=self.owner)
        if self.in_pool:
            conditions &= Q(owner=None)
        if self.tag:
            conditions &= Q(carried_tags__tag=self.tag)
        found = customers.filter(conditions)
        return quiet_among(found, now=now, days=self.quiet) if self.quiet else found

    def _needle(self) -> str:
        bare = self.words.replace(" ", "").replace("-", "")
        return bare if bare.lstrip("+").isdigit() else self.words.lower()

    @property
    def is_set(self) -> bool:
        """Whether anything is left out."""
        return self != CustomerFilter()

    def address(self, **more: object) -> str:
        """The filter as the query of an address, with ``more`` behind it."""
        owner = POOL if self.in_pool else self.owner
        values = {
            "q": self.words,
            "store": self.store,
            "owner": owner,
            "tag": self.tag,
            "quiet": self.quiet,
            "segment": self.segment,
        }
        return "?" + urlencode({name: value for name, value in (values | more).items() if value})
