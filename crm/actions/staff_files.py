"""A file of the human resources department: read, looked at row by row, carried out row by row."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from connectors.spreadsheets import Unreadable, read_table
from contacts.actions.history import record
from contacts.actions.staff import announce_leaving, rehire_staff, resume_staff, suspend_staff
from contacts.doorbell import ring
from contacts.enums import RowState, StaffFileAction, StaffFileState, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff, StaffFile, StaffFileRow
from crm import tasks
from crm.access import Viewer, refusal_to_depart, staff_of
from crm.actions.departures import let_go

COLUMNS = {
    "userid": ("userid", "wecom userid", "account", "账号", "企业微信账号", "工号", "员工账号"),
    "phone": ("phone", "mobile", "telephone", "手机", "手机号", "电话"),
    "name": ("name", "姓名", "员工", "名字"),
    "leaves_on": (
        "last day",
        "last working day",
        "leaves on",
        "date",
        "最后工作日",
        "离职日期",
        "日期",
    ),
    "status": ("status", "state", "状态", "人员状态"),
}
STATUSES = {
    "left": ("left", "departed", "leaver", "resigned", "离职", "已离职"),
    "leave": ("on leave", "suspended", "leave", "休假", "长假", "停职", "产假"),
    "active": ("active", "at work", "在职", "复职", "返岗", "入职"),
}

NOT_FOUND = gettext_noop("Nobody here has this account, phone number or name.")
AMBIGUOUS = gettext_noop("Several people have this name. Give the account or the phone number.")
NOBODY_NAMED = gettext_noop("The row names nobody: give an account, a phone number or a name.")
TWICE = gettext_noop("An earlier row is about the same person.")
BAD_DATE = gettext_noop("The date cannot be read. Write it like 2026-03-31.")
BAD_STATUS = gettext_noop("The status cannot be read. Write left, on leave or active.")
NOTHING_ASKED = gettext_noop("The row says neither a status nor a last day.")
SO_ALREADY = gettext_noop("It is so already.")


def read_staff_file(
    content: bytes, name: str, *, viewer: Viewer, now: datetime, source: str = "page"
) -> StaffFile:
    """Read a CSV or XLSX file and say of each row what it would do; nothing is done yet.

    Rows that cannot be carried out stand in it as *skipped*, with the reason. Raises ``RuleBroken``
    if the file as a whole cannot be read.
    """
    try:
        table = read_table(content, name)
    except Unreadable as error:
        raise RuleBroken(_(str(error))) from error
    digest = hashlib.sha256(content).hexdigest()
    heading, *rows = table
    fields = _fields(heading)
    cells = [_cells(fields, row) for row in rows]
    return keep_rows(cells, name=name, digest=digest, viewer=viewer, now=now, source=source)


def keep_rows(
    rows: Sequence[Mapping[str, str]],
    *,
    name: str,
    digest: str,
    viewer: Viewer,
    now: datetime,
    source: str,
) -> StaffFile:
    """Keep rows of ``userid``, ``phone``, ``name``, ``leaves_on`` and ``status``, and judge each."""
    if not rows:
        raise RuleBroken(_("The file has no rows below its heading."))
    judge = _Judge(viewer, now)
    with transaction.atomic():
        file = StaffFile.objects.create(
            uploaded_by=viewer.staff,
            name=name[:200] or "staff",
            digest=digest,
            source=source,
            created_at=now,
        )
        StaffFileRow.objects.bulk_create(
            (judge.row(file, number, cells) for number, cells in enumerate(rows, start=2)),
            batch_size=500,
        )
        record(file, "staff_file.read", actor=viewer.staff, at=now, data={"rows": len(rows)})
    return file


def start_staff_file(file: StaffFile, *, actor: Staff, now: datetime) -> None:
    """Carry the file out from now on; raises ``MovedOn`` if that was started before."""
    with transaction.atomic():
        started = StaffFile.objects.filter(pk=file.pk, state=StaffFileState.READ).update(
            state=StaffFileState.RUNNING, started_at=now
        )
        if not started:
            raise MovedOn(_("This file has been started already."))
        record(file, "staff_file.started", actor=actor, at=now)
        ring(tasks.carry_out_staff_file, file.pk)
    file.refresh_from_db()


def staff_files_to_carry_out(now: datetime) -> list[int]:
    """Files with rows still to be carried out, for the sweeper."""
    running = StaffFile.objects.filter(state=StaffFileState.RUNNING)
    return list(running.order_by("pk").values_list("pk", flat=True)[:20])


def carry_out(file_id: int, *, now: datetime) -> int:
    """Carry out the rows of a started file one by one; returns how many this worker did.

    Each row is a transaction of its own that ends with its outcome, so whoever goes on after a
    worker that died does none twice.
    """
    file = StaffFile.objects.select_related("uploaded_by").get(pk=file_id)
    if file.state != StaffFileState.RUNNING:
        return 0
    done = 0
    ready = file.rows.filter(state=RowState.READY).order_by("number")
    for pk in list(ready.values_list("pk", flat=True)):
        done += _carry_out_row(pk, file.uploaded_by, now=max(now, timezone.now()))
    if not ready.exists():
        StaffFile.objects.filter(pk=file.pk, state=StaffFileState.RUNNING).update(
            state=StaffFileState.DONE, done_at=now
        )
    return done


def _carry_out_row(pk: int, actor: Staff, *, now: datetime) -> bool:
    with transaction.atomic():
        rows = StaffFileRow.objects.select_for_update(skip_locked=True, of=("self",))
        row = rows.select_related("staff").filter(pk=pk, state=RowState.READY).first()
        if row is None or row.staff is None:
            return False
        state, reason = RowState.DONE, ""
        try:
            with transaction.atomic():
                _act(row, row.staff, actor, now)
        except MovedOn as error:
            state, reason = RowState.SKIPPED, str(error)
        except RuleBroken as error:
            state, reason = RowState.FAILED, str(error)
        StaffFileRow.objects.filter(pk=pk).update(state=state, reason=reason[:200])
    return True


def _act(row: StaffFileRow, staff: Staff, actor: Staff, now: datetime) -> None:
    acts: dict[str, Callable[[], object]] = {
        StaffFileAction.LEAVE_NOW: partial(let_go, staff.pk),
        StaffFileAction.LEAVE_ON: partial(
            announce_leaving, staff, leaves_on=row.leaves_on or timezone.localdate(now)
        ),
        StaffFileAction.SUSPEND: partial(suspend_staff, staff),
        StaffFileAction.RESUME: partial(resume_staff, staff),
        StaffFileAction.REHIRE: partial(rehire_staff, staff),
    }
    acts[row.action](actor=actor, now=now, source="file")  # type: ignore[call-arg]  # partials take them


def _fields(heading: Sequence[str]) -> dict[int, str]:
    """Return which column is which; raises ``RuleBroken`` if nobody can be told from them."""
    known = {word: field for field, words in COLUMNS.items() for word in words}
    fields: dict[int, str] = {}
    for place, title in enumerate(heading):
        field = known.get(re.sub(r"[\s_-]+", " ", title.strip("\ufeff ")).lower())
        if field and field not in fields.values():
            fields[place] = field
    if not {"userid", "phone", "name"} & set(fields.values()):
        raise RuleBroken(
            _(
                "The first row must name the columns, such as: userid, name, phone, last day, status."
            )
        )
    return fields


def _cells(fields: Mapping[int, str], row: Sequence[str]) -> dict[str, str]:
    return {field: row[place] for place, field in fields.items() if place < len(row)}


class _Judge:
    """Says what a row would do, as of now and for one viewer; three queries for a whole file."""

    def __init__(self, viewer: Viewer, now: datetime) -> None:
        self.viewer = viewer
        self.today = timezone.localdate(now)
        self.seen: set[int] = set()
        self.by_userid: dict[str, Staff] = {}
        self.by_phone: dict[str, list[Staff]] = {}
        self.by_name: dict[str, list[Staff]] = {}
        for person in _people(viewer):
            if person.wecom_userid:
                self.by_userid[person.wecom_userid.lower()] = person
            if person.phone:
                self.by_phone.setdefault(_digits(person.phone), []).append(person)
            self.by_name.setdefault(person.name.strip().lower(), []).append(person)

    def row(self, file: StaffFile, number: int, cells: Mapping[str, str]) -> StaffFileRow:
        """Return the row as it will be kept."""
        staff, action, leaves_on, reason = self._judge(cells)
        return StaffFileRow(
            file=file,
            number=number,
            cells=dict(cells),
            staff=staff,
            action=action,
            leaves_on=leaves_on,
            state=RowState.SKIPPED if reason else RowState.READY,
            reason=reason[:200],
        )

    def _judge(
        self, cells: Mapping[str, str]
    ) -> tuple[Staff | None, StaffFileAction, date | None, str]:
        nothing = StaffFileAction.NOTHING
        staff, reason = self._find(cells)
        if staff is None:
            return None, nothing, None, reason
        day = _day(cells.get("leaves_on", ""))
        if cells.get("leaves_on") and day is None:
            return staff, nothing, None, BAD_DATE
        status = _status(cells.get("status", ""))
        if cells.get("status") and status is None:
            return staff, nothing, day, BAD_STATUS
        if not status and not day:
            return staff, nothing, None, NOTHING_ASKED
        if staff.pk in self.seen:
            return staff, nothing, day, TWICE
        self.seen.add(staff.pk)
        action = self._action(staff, status, day)
        if action == nothing:
            return staff, nothing, day, SO_ALREADY
        return staff, action, day, self._refusal(staff, action)

    def _action(self, staff: Staff, status: str | None, day: date | None) -> StaffFileAction:
        state = StaffState(staff.state)
        if status == "leave":
            on_leave = state in {StaffState.SUSPENDED, StaffState.DEPARTED}
            return StaffFileAction.NOTHING if on_leave else StaffFileAction.SUSPEND
        if status == "active" and not day:
            back = {
                StaffState.SUSPENDED: StaffFileAction.RESUME,
                StaffState.DEPARTED: StaffFileAction.REHIRE,
            }
            return back.get(state, StaffFileAction.NOTHING)
        if state == StaffState.DEPARTED:
            return StaffFileAction.NOTHING
        if day and day >= self.today:
            same = staff.leaves_on == day
            return StaffFileAction.NOTHING if same else StaffFileAction.LEAVE_ON
        return StaffFileAction.LEAVE_NOW

    def _refusal(self, staff: Staff, action: StaffFileAction) -> str:
        if action in {StaffFileAction.RESUME, StaffFileAction.REHIRE}:
            return ""
        return refusal_to_depart(self.viewer, staff)

    def _find(self, cells: Mapping[str, str]) -> tuple[Staff | None, str]:
        userid, phone = cells.get("userid", "").lower(), _digits(cells.get("phone", ""))
        name = cells.get("name", "").strip().lower()
        if not (userid or phone or name):
            return None, NOBODY_NAMED
        if userid in self.by_userid:
            return self.by_userid[userid], ""
        found = self.by_phone.get(phone, []) if phone else []
        if not found and not userid and not phone:
            found = self.by_name.get(name, [])
        if len(found) > 1:
            return None, AMBIGUOUS
        return (found[0], "") if found else (None, NOT_FOUND)


def _people(viewer: Viewer) -> QuerySet[Staff]:
    return staff_of(viewer).order_by("pk")


def _digits(phone: str) -> str:
    """Return the last eleven digits: enough to tell people apart however a number is written."""
    return re.sub(r"\D", "", phone)[-11:]


def _status(text: str) -> str | None:
    wanted = text.strip().lower()
    return next((status for status, words in STATUSES.items() if wanted in words), None)


def _day(text: str) -> date | None:
    parts = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", text.strip())
    try:
        return date(*map(int, parts.groups())) if parts else None
    except ValueError:
        return None
