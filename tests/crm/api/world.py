"""One small company with a row of everything, and every route of the API with what it needs."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from campaigns.models import QuickReply, WelcomeRule
from contacts.actions.history import record
from contacts.enums import IdentityKind, Role
from contacts.models import Staff, StaffFile
from crm.api.urls import urlpatterns
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_chat_item,
    make_code,
    make_content,
    make_coupon,
    make_customer,
    make_departed,
    make_department,
    make_finding,
    make_follow,
    make_handover,
    make_identity,
    make_interaction,
    make_loss,
    make_media,
    make_order,
    make_post,
    make_segment,
    make_series,
    make_staff,
    make_store,
    make_tag,
    make_task,
    make_webhook,
    make_webhook_event,
)

CANARY = "canary"
"""Stands in every text that somebody outside the store must not see."""

PHONE = "+8613812345678"


@dataclass(frozen=True)
class World:
    """The people who ask, by what they are, and the ids that addresses and bodies need."""

    people: dict[str, Staff]
    ids: dict[str, int]


def make_world() -> World:
    """Lin's customer Chen in one store, Mei's Zhao in another; Wei has left the first."""
    retail, other_branch = make_department("Retail"), make_department("Other branch")
    store = make_store("Nanjing Road", department=retail)
    other = make_store("Xidan", department=other_branch)
    lin, mei = make_staff("Lin", store=store), make_staff("Mei", store=other)
    people = {
        "guide": lin,
        "other guide": mei,
        "manager": make_staff("Hua", role=Role.MANAGER, store=store),
        "other manager": make_staff("Wang", role=Role.MANAGER, store=other),
        "marketer": make_staff("Tao", role=Role.MARKETER, store=other),
        "administrator": make_staff("Jin", role=Role.ADMINISTRATOR, store=other),
    }
    chen = make_customer(f"Chen {CANARY}", owner=lin, note=CANARY, address="wm1")
    make_customer("Zhao", owner=mei)
    make_identity(chen, PHONE, kind=IdentityKind.PHONE)
    make_follow(lin, chen)
    make_interaction(chen, staff=lin, text=CANARY)
    record(chen, "customer.added", actor=lin, at=NOON, data={"said": CANARY})
    pooled = make_customer(f"Pooled {CANARY}", store=store)
    resting = make_customer(f"Resting {CANARY}", store=store)
    wei = make_departed(store=store)
    handover = make_handover(wei, customers=[pooled], customer_message=CANARY)
    tag, content, segment = (
        make_tag(),
        make_content("Hello from {guide}", folder="Autumn"),
        make_segment(),
    )
    campaign = make_campaign(
        CANARY, content=content, segment=segment, created_by=people["marketer"]
    )
    make_batch(campaign, [chen], sender=lin, error=CANARY)
    task = make_task(staff=lin, customer=chen, text=CANARY)
    make_order(chen, number=CANARY)
    code = make_code(CANARY, store=store, staff=[lin], tags=[tag])
    file = StaffFile.objects.create(
        uploaded_by=people["manager"], name=CANARY, digest="", source="api", created_at=NOON
    )
    reply = QuickReply.objects.create(title=CANARY, content=content, owner=lin, created_at=NOON)
    finding = make_finding(staff=lin, customer=chen, address=CANARY)
    webhook = make_webhook(f"https://example.com/{CANARY}")
    told = make_webhook_event(webhook, state="failed", error=CANARY)
    rows = {
        "series": make_series(
            CANARY, content=content, segment=segment, created_by=people["marketer"]
        ),
        "webhook": webhook, "told": told, "file": file, "reply": reply, "store": store, "lin": lin, "mei": mei, "customer": chen,
        "handover": handover, "sun": make_staff("Sun", store=store),
        "item": handover.items.get(), "tag": tag, "content": content, "media": make_media(CANARY), "segment": segment,
        "campaign": campaign, "code": code, "finding": finding, "task": task,
        "chat": make_chat_item(handover, name=CANARY),
        "post": make_post(CANARY, content=make_content("Hello all"), created_by=people["marketer"]),
        "welcome": WelcomeRule.objects.create(store=store, content=make_content("Hello you")),
        "resting": resting,
        "loss": make_loss(wei, pooled, note=CANARY),
        "coupon": make_coupon(chen, code=CANARY),
    }  # fmt: skip
    return World(people, {name: row.pk for name, row in rows.items()})


@dataclass(frozen=True)
class Route:
    """One method of one address."""

    method: str
    name: str
    template: str
    view: Any

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    def address(self, world: World) -> str:
        """Return the address, with the id of the row that the world has for it."""
        kinds = {"stores": "store", "staff": "lin", "customers": "customer", "handovers": "handover",
                 "contact-codes": "code", "coupons": "coupon", "contents": "content", "segments": "segment",
                 "campaigns": "campaign", "imports": "file", "quick-replies": "reply",
                 "findings": "finding", "losses": "loss", "pool": "store", "tasks": "task", "posts": "post",
                 "webhooks": "webhook", "series": "series", "media": "media", "welcome-rules": "welcome"}  # fmt: skip
        start = self.template.split("/")[0]
        pk = str(world.ids[kinds[start]]) if "<int:pk>" in self.template else ""
        return f"/api/v1/{self.template.replace('<int:pk>', pk)}"


def routes() -> list[Route]:
    """Return every route there is, read off the resolver."""
    found = []
    for pattern in urlpatterns:
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        methods = [
            method.upper()
            for method in view.http_method_names
            if hasattr(view, method) and method not in {"head", "options"}
        ]
        found += [
            Route(method, pattern.name or "", str(pattern.pattern), view) for method in methods
        ]
    return found


ROUTES = {str(route): route for route in routes() if route.name != "nowhere"}


def bodies(world: World) -> dict[str, dict[str, Any]]:
    """Return what a good request to each route says, where it says anything."""
    ids = world.ids
    rule = {"all": [{"field": "tag", "op": "any", "value": [ids["tag"]]}]}
    note = {"kind": "note", "text": "Likes blue"}
    return {
        "POST customers": {
            "identities": [{"kind": "member_no", "value": "M1"}],
            "name": "Sun",
        },
        "POST staff-announce-leaving": {"leaves_on": "2999-12-31"},
        "POST imports": {"kind": "staff", "rows": [{"userid": "Lin", "status": "left"}]},
        "POST quick-replies": {"title": "Hours", "text": "10 to 22"},
        "PATCH customer": {"city": "Suzhou"},
        "POST customer-transfer": {"to": ids["sun"]},
        "POST customer-merge": {"into": ids["resting"]},
        "POST staff-capacity": {"capacity": 300},
        "POST pool-assign": {"match": {}, "receivers": [ids["sun"]]},
        "PUT pool-rule": {"claiming": True},
        "PUT pool-company-rule": {"claiming": True},
        "PUT messaging-rules": {"cap_messages": 3},
        "POST customer-tags": {"add": [ids["tag"]]},
        "POST customer-interactions": note,
        "POST interactions": note | {"customer": ids["customer"]},
        "POST tasks": {"text": "Call back", "customer": ids["customer"]},
        "POST task-reschedule": {"due_on": None},
        "POST task-reassign": {"staff": ids["lin"]},
        "POST orders": {
            "system": "shop",
            "number": "2",
            "customer": ids["customer"],
            "state": "paid",
            "amount": "12.50",
            "ordered_at": "2026-03-01T12:00:00+08:00",
        },
        "POST coupons": {
            "coupons": [
                {
                    "customer": ids["customer"],
                    "title": "Winter",
                    "amount": "50.00",
                    "expires_at": (timezone.now() + timedelta(days=30)).isoformat(),
                }
            ]
        },
        "POST handovers": {"from_staff": ids["lin"], "kind": "leave"},
        "POST handover-propose": {"receivers": [ids["lin"]]},
        "POST handover-plan": {"steps": [{"receivers": [ids["lin"]]}]},
        "POST handover-move": {"items": [ids["item"]], "to": ids["lin"]},
        "POST handover-leave-out": {"items": [ids["item"]]},
        "POST handover-plans": {"name": "Evenly"},
        "POST handover-reassign": {"items": [ids["item"]], "receivers": [ids["lin"]]},
        "POST finding-dismiss": {"note": "Both work here"},
        "POST handover-chats-assign": {"items": [ids["chat"]], "to": ids["lin"]},
        "POST loss-reason": {"reason": "moved"},
        "POST contact-codes": {
            "name": "Door",
            "store": ids["store"],
            "staff": [ids["lin"]],
            "tags": [ids["tag"]],
            "welcome": "Welcome",
        },
        "POST posts": {"kind": "group", "name": "Coats", "text": "New coats"},
        "PATCH post": {"name": "Hats"},
        "POST contents": {"name": "Coats", "text": "New coats"},
        "POST content-revise": {"name": "Coats", "text": "Newer coats", "folder": "Autumn"},
        "POST content-preview": {"channel": "echo", "customer": ids["customer"]},
        "POST content-test": {"channel": "echo"},
        "POST welcome-rules": {"contact_code": ids["code"], "text": "Welcome"},
        "POST media": {"name": "coat.pdf", "content": "JVBERi0xLjQKJSVFT0YK"},
        "PATCH segment": {"name": "Regulars"},
        "POST segment-freeze": {"name": "Frozen"},
        "POST segments": {"name": "Regulars", "rule": rule},
        "POST segment-preview": {"rule": rule},
        "POST webhooks": {"url": "https://example.com/other", "events": ["staff.departed"]},
        "PATCH webhook": {"events": ["*"]},
        "POST webhook-replay": {"events": [ids["told"]]},
        "PATCH campaign": {"name": "Autumn"},
        "POST campaign-reschedule": {"send_at": "2150-12-01T10:00:00+08:00"},
        "POST campaign-send-back": {"reason": "Too many"},
        "POST campaign-compare": {"ids": [ids["campaign"]]},
        "POST campaign-split": {"control_share": 10},
        "POST campaign-choose-winner": {"variant": "a"},
        "POST series-list": {
            "name": "Mondays",
            "content": ids["content"],
            "segment": ids["segment"],
            "kind": "repeat",
            "rule": {"freq": "weekly", "weekdays": [0]},
            "zone": "Asia/Shanghai",
            "at_time": "10:00",
            "starts_on": "2026-01-01",
        },
        "PATCH series": {"at_time": "11:00"},
        "POST campaigns": {"name": "Autumn", "text": "New coats", "rule": rule},
    }
