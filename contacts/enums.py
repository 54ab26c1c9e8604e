"""The closed lists of contacts: every state, kind and reason, with the words shown for them."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class StaffState(TextChoices):
    """Departed people keep their row for ever; a person who comes back is re-hired onto it."""

    ACTIVE = "active", _("active")
    LEAVING = "leaving", _("leaving")
    SUSPENDED = "suspended", _("suspended")
    DEPARTED = "departed", _("departed")


class Role(TextChoices):
    """What a staff member does; one person may have several roles."""

    GUIDE = "guide", _("guide")
    MANAGER = "manager", _("manager")
    MARKETER = "marketer", _("marketer")
    ADMINISTRATOR = "administrator", _("administrator")


class Scope(TextChoices):
    """Whose customers a role reaches, from narrow to wide."""

    OWN = "own", _("own customers")
    STORE = "store", _("own store(s)")
    DEPARTMENT = "department", _("department and below")
    COMPANY = "company", _("whole company")


class CustomerState(TextChoices):
    """Merged and erased customers stay as tombstones that nothing points at any more."""

    ACTIVE = "active", _("active")
    MERGED = "merged", _("merged")
    ERASED = "erased", _("erased")


class CouponState(TextChoices):
    """What a coupon is at a moment; it follows from its times and is stored nowhere."""

    VALID = "valid", _("valid")
    REDEEMED = "redeemed", _("redeemed")
    EXPIRED = "expired", _("expired")


class Gender(TextChoices):
    """Unknown until the customer or the channel says."""

    UNKNOWN = "", _("unknown")
    FEMALE = "female", _("female")
    MALE = "male", _("male")


class IdentityKind(TextChoices):
    """The outside systems in which a customer has an address."""

    WECOM = "wecom:external_userid", _("WeCom")
    WECHAT = "wechat:unionid", _("WeChat")
    PHONE = "phone", _("phone")
    EMAIL = "email", _("e-mail")
    MEMBER = "member_no", _("member number")
    CRM = "crm", _("other system")


class Purpose(TextChoices):
    """What a message is for; consent is given and refused for each."""

    CAMPAIGN = "campaign", _("campaigns")
    CARE = "care", _("care and greetings")
    SERVICE = "service", _("service")


class Channel(TextChoices):
    """Through what a follow connects staff and customer."""

    WECOM = "wecom", _("WeCom")
    STORE = "store", _("in store")


class FollowEnd(TextChoices):
    """Why a follow ended. A removal by the customer is a loss; a transfer is not."""

    REMOVED_BY_CUSTOMER = "by_customer", _("removed by the customer")
    REMOVED_BY_STAFF = "by_staff", _("removed by the staff member")
    TRANSFERRED = "transferred", _("handed over")
    DEPARTED = "departed", _("staff member departed")
    LOST = "lost", _("lost on handover")
    MISSING = "missing", _("not in WeCom any more")
    MERGED = "merged", _("goes on under another record of the customer")
    ERASED = "erased", _("customer erased")


class OwnershipReason(TextChoices):
    """Why an ownership period began."""

    ADDED = "added", _("added")
    IMPORTED = "imported", _("imported")
    CUSTODY = "custody", _("custody after a departure")
    HANDOVER = "handover", _("handover")
    RETURNED = "returned", _("handover refused")
    TRANSFER = "transfer", _("transfer")
    CLAIMED = "claimed", _("claimed from the pool")
    ASSIGNED = "assigned", _("assigned from the pool")
    RECYCLED = "recycled", _("back to the pool, nobody was in contact")
    UNDONE = "undone", _("handover undone")
    UNMERGED = "unmerged", _("merge taken apart")


class PoolOrder(TextChoices):
    """Who comes first out of the pool."""

    WAITING = "waiting", _("who has waited longest")
    VALUE = "value", _("who has spent most")
    RECENT = "recent", _("who was last in contact")


class Assignment(TextChoices):
    """How customers of a pool are given to guides without anybody doing it."""

    OFF = "off", _("not at all")
    TURNS = "turns", _("in turn")
    CAPACITY = "capacity", _("to whoever has most room")


class InteractionKind(TextChoices):
    """What happened between a staff member and a customer."""

    CALL = "call", _("call")
    VISIT = "visit", _("visit")
    CHAT = "chat", _("chat")
    NOTE = "note", _("note")
    FITTING = "fitting", _("fitting")
    COMPLAINT = "complaint", _("complaint")


class HandoverKind(TextChoices):
    """Why customers change hands; a departure uses the channel's leaver endpoints."""

    DEPARTURE = "departure", _("departure")
    LEAVE = "leave", _("leave")
    REBALANCE = "rebalance", _("re-balance")
    UNDO = "undo", _("undo")


class HandoverState(TextChoices):
    """A handover is planned, runs, and is done when every item is settled."""

    PLANNED = "planned", _("planned")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    CANCELLED = "cancelled", _("cancelled")


class ItemState(TextChoices):
    """Where one customer of a handover stands. The counts always add up to the handover's size."""

    PLANNED = "planned", _("planned")
    REQUESTED = "requested", _("requested")
    WAITING = "waiting", _("waiting for the customer")
    ACCEPTED = "accepted", _("accepted")
    REFUSED = "refused", _("refused")
    OVER_CAPACITY = "over_capacity", _("over capacity")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class UndoNote(TextChoices):
    """Why a customer of a handover that is undone stays where they are."""

    NONE = "", ""
    CHANGED = "changed", _("has changed hands since")
    ASKED = "asked", _("WeCom has been asked and cannot be called back")
    TOMBSTONE = "tombstone", _("has been merged or erased")
    CHANNEL = "channel", _("WeCom did not give the customer back")
    CALLED_OFF = "called_off", _("the undo was called off")


class TaskKind(TextChoices):
    """What somebody has to do, and so what the task is called where it has no words of its own."""

    TO_DO = "to_do", _("to do")
    PROMISE = "promise", _("promised")
    FIRST_CONTACT = "first_contact", _("first contact")
    WIN_BACK = "win_back", _("win back")
    DECISION = "decision", _("decide")


class TaskState(TextChoices):
    """Dropped tasks are those that have become pointless."""

    OPEN = "open", _("open")
    DONE = "done", _("done")
    DROPPED = "dropped", _("dropped")


class NoticeKind(TextChoices):
    """What people are told about, besides their tasks."""

    CUSTOMER_LOST = "customer_lost", _("customer lost")
    CUSTOMER_REMOVED = "customer_removed", _("customer removed by a colleague")
    STAFF_LEAVING = "staff_leaving", _("a colleague is leaving")
    STAFF_DEPARTED = "staff_departed", _("a colleague has departed")
    HANDED_OVER = "handed_over", _("customers handed over to you")
    NEEDS_DECISION = "needs_decision", _("a handover needs a decision")
    FROM_POOL = "from_pool", _("customers from the pool")
    UNUSUAL = "unusual", _("something unusual")
    CAMPAIGN = "campaign", _("a campaign needs you")


class NoticeRhythm(TextChoices):
    """When notices are also sent through the channel; on the screens they always stand at once."""

    AT_ONCE = "at_once", _("at once")
    DAILY = "daily", _("once a day")
    NEVER = "never", _("only here")


class LossKind(TextChoices):
    """How a connection with a customer was lost."""

    BY_CUSTOMER = "by_customer", _("removed by the customer")
    BY_STAFF = "by_staff", _("removed by the staff member")
    ON_HANDOVER = "on_handover", _("lost on handover")
    UNKNOWN = "unknown", _("gone, by whom is not known")


class LossState(TextChoices):
    """Kept customers are still connected with a colleague: nobody is lost, and nothing to win back."""

    KEPT = "kept", _("still connected with a colleague")
    OPEN = "open", pgettext_lazy("loss", "open")
    WON_BACK = "won_back", _("won back")
    WRITTEN_OFF = "written_off", _("written off")


class LossReason(TextChoices):
    """Why a customer left, as far as people know."""

    NONE = "", _("not known")
    MESSAGES = "messages", _("too many messages")
    SERVICE = "service", _("not happy with the service")
    GOODS = "goods", _("not happy with the goods or the price")
    MOVED = "moved", _("moved away")
    NO_NEED = "no_need", _("has no need any more")
    MISTAKE = "mistake", _("by mistake")
    OTHER = "other", _("something else")


class RequestState(TextChoices):
    """One call to the channel for at most 100 items: claimed, made, written down."""

    PREPARED = "prepared", _("prepared")
    CALLING = "calling", _("calling")
    MADE = "made", _("made")
    UNCLEAR = "unclear", _("unclear")
    REFUSED = "refused", _("refused")


class StaffFileState(TextChoices):
    """A file of the human resources department is read, looked at, and then carried out."""

    READ = "read", _("read")
    RUNNING = "running", _("under way")
    DONE = "done", _("done")


class StaffFileAction(TextChoices):
    """What one row of such a file asks for."""

    NOTHING = "nothing", _("nothing")
    LEAVE_NOW = "leave_now", _("leaves now")
    LEAVE_ON = "leave_on", _("leaves on a date")
    SUSPEND = "suspend", _("on leave from now on")
    RESUME = "resume", _("back from leave")
    REHIRE = "rehire", _("comes back")


class RowState(TextChoices):
    """How far one row of a file is. Skipped rows change nothing, and say why."""

    READY = "ready", _("ready")
    DONE = "done", _("done")
    SKIPPED = "skipped", _("skipped")
    FAILED = "failed", _("failed")


class CallbackState(TextChoices):
    """The fate of a callback in the inbox. Dead ones are kept and can be replayed."""

    RECEIVED = "received", _("received")
    DONE = "done", _("done")
    DEAD = "dead", _("dead")


class ReconciliationState(TextChoices):
    """A comparison with WeCom that was killed goes on; one that failed needs a person."""

    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class ReconcileStep(TextChoices):
    """What is being compared, in this order."""

    TAGS = "tags", _("tags")
    MEMBERS = "members", _("colleagues")
    LEAVERS = "leavers", _("customers of leavers")
    ABSENT = "absent", _("colleagues who are not in WeCom")
    CHATS = "chats", _("group chats")
    FOLLOWS = "follows", _("connections with customers")
    HANDOVERS = "handovers", _("handovers")
    OWNERS = "owners", _("owners")


class FindingKind(TextChoices):
    """What a comparison with WeCom can find."""

    FOLLOW_NEW = "follow_new", _("connected in WeCom, not known here")
    FOLLOW_GONE = "follow_gone", _("connected here, not in WeCom any more")
    STAFF_NEW = "staff_new", _("in WeCom, not known here")
    STAFF_GONE = "staff_gone", _("at work here, not in WeCom any more")
    STAFF_BACK = "staff_back", _("departed here, still in WeCom")
    RETURNED = "returned", _("back at work, customers of before still wait in WeCom")
    UNREADABLE = "unreadable", _("connections that WeCom does not show")
    LEFT_BEHIND = "left_behind", _("left behind by somebody who departed")
    NOT_MOVED = "not_moved", _("taken over here, not in WeCom")
    NOT_CONNECTED = "not_connected", _("taken over, but not connected")
    OVERDUE = "overdue", _("a handover without an answer")
    OWNER_APART = "owner_apart", _("the owner is not connected, a colleague is")


class FindingState(TextChoices):
    """Open ones wait for a person; gone ones were not found again."""

    OPEN = "open", _("open")
    REPAIRED = "repaired", _("repaired")
    DISMISSED = "dismissed", _("dismissed")
    GONE = "gone", _("gone by itself")
