"""The company: departments, stores and the people at work in them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from contacts.enums import NoticeRhythm, Role, Scope, StaffState


class Company(models.Model):
    """The one enterprise that this installation serves; the table holds a single row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)

    legal_name = models.CharField(max_length=200)
    short_name = models.CharField(max_length=60)
    licence_number = models.CharField(max_length=40, blank=True)
    contact_line = models.CharField(max_length=200, blank=True)
    is_demo = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "companies"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="company_is_one")]

    def __str__(self) -> str:
        return self.short_name


class Department(models.Model):
    """A branch of the organisation tree."""

    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="children", null=True, blank=True
    )

    name = models.CharField(max_length=120)
    wecom_id = models.PositiveBigIntegerField(null=True, blank=True, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(parent=None) | ~Q(parent=models.F("id")),
                name="department_not_own_parent",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Store(models.Model):
    """A shop: the place whose pool holds the customers that no guide answers for."""

    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="stores")

    name = models.CharField(max_length=120)
    code = models.CharField(max_length=40, unique=True)
    city = models.CharField(max_length=80, blank=True)
    address = models.CharField(max_length=200, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class StaffQuerySet(models.QuerySet["Staff"]):
    """Filters over one table: who works here, who may take customers."""

    def employed(self) -> "StaffQuerySet":
        """Everybody but the departed."""
        return self.exclude(state=StaffState.DEPARTED)

    def able_to_receive(self) -> "StaffQuerySet":
        """People who may be given customers: active, in a store, and on duty in the channel."""
        return self.filter(state=StaffState.ACTIVE, store__isnull=False)


class Staff(models.Model):
    """A person at work, with one user account and one or more roles.

    The row outlives the employment: departed people keep it, and get it back when re-hired.
    The database refuses to let anyone but an employed person own a customer
    (constraint ``customer_owner_is_employed``).
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="staff",
        null=True,
        blank=True,
    )
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="staff")
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="staff", null=True, blank=True
    )

    name = models.CharField(max_length=120)
    name_key = models.CharField(max_length=200, blank=True)
    phone = models.CharField(max_length=32, blank=True)
    email = models.EmailField(blank=True)
    wecom_userid = models.CharField(max_length=64, null=True, blank=True, unique=True)
    capacity = models.PositiveIntegerField(default=5000)
    leaves_on = models.DateField(null=True, blank=True)
    left_channel_at = models.DateTimeField(null=True, blank=True)
    notice_rhythm = models.CharField(
        max_length=8, choices=NoticeRhythm.choices, default=NoticeRhythm.AT_ONCE
    )

    state = models.CharField(max_length=12, choices=StaffState.choices, default=StaffState.ACTIVE)
    state_at = models.DateTimeField()
    departed_at = models.DateTimeField(null=True, blank=True)

    objects = StaffQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "staff"
        indexes = [
            # Staff list and receiver pickers: by store, in name order.
            models.Index(fields=["store", "state", "name_key"], name="staff_by_store"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=StaffState.values), name="staff_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=StaffState.DEPARTED, departed_at__isnull=False)
                | (~Q(state=StaffState.DEPARTED) & Q(departed_at=None)),
                name="staff_departed_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_employed(self) -> bool:
        """Whether this person may own customers."""
        return self.state != StaffState.DEPARTED


class RoleGrant(models.Model):
    """One role of one person, and how far it reaches.

    With scope *own store(s)* an empty ``stores`` means the person's own store.
    """

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="roles")
    stores = models.ManyToManyField(Store, blank=True, related_name="+")

    role = models.CharField(max_length=16, choices=Role.choices)
    scope = models.CharField(max_length=12, choices=Scope.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["staff", "role"], name="role_granted_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="role_known"),
            models.CheckConstraint(condition=Q(scope__in=Scope.values), name="scope_known"),
        ]

    def __str__(self) -> str:
        return f"{self.staff}: {self.get_role_display()}"
