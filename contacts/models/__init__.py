"""People and what ties them together."""

from contacts.models.accounts import ApiKey, User
from contacts.models.callbacks import Callback
from contacts.models.chats import ChatItem, GroupChat
from contacts.models.codes import ContactCode
from contacts.models.consents import Consent, ConsentEntry
from contacts.models.coupons import Coupon
from contacts.models.customers import Customer, Identity
from contacts.models.erasures import ErasedAddress
from contacts.models.follows import Follow
from contacts.models.handovers import Handover, HandoverItem, HandoverRequest
from contacts.models.history import HistoryEntry
from contacts.models.interactions import Interaction
from contacts.models.losses import Loss
from contacts.models.merges import Merge
from contacts.models.notices import Notice
from contacts.models.organisation import Company, Department, RoleGrant, Staff, Store
from contacts.models.ownership import OwnershipPeriod
from contacts.models.plans import HandoverPlan
from contacts.models.pools import PoolRound, PoolRule
from contacts.models.reconciliation import Finding, Reconciliation, SeenFollow
from contacts.models.staff_files import StaffFile, StaffFileRow
from contacts.models.tags import CustomerTag, Tag, TagGroup
from contacts.models.tasks import Task

__all__ = [
    "ApiKey",
    "Callback",
    "ChatItem",
    "Company",
    "Consent",
    "ConsentEntry",
    "ContactCode",
    "Coupon",
    "Customer",
    "CustomerTag",
    "Department",
    "ErasedAddress",
    "Finding",
    "Follow",
    "GroupChat",
    "Handover",
    "HandoverItem",
    "HandoverPlan",
    "HandoverRequest",
    "HistoryEntry",
    "Identity",
    "Interaction",
    "Loss",
    "Merge",
    "Notice",
    "OwnershipPeriod",
    "PoolRound",
    "PoolRule",
    "Reconciliation",
    "RoleGrant",
    "SeenFollow",
    "Staff",
    "StaffFile",
    "StaffFileRow",
    "Store",
    "Tag",
    "TagGroup",
    "Task",
    "User",
]
