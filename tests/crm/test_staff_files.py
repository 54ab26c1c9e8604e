"""Files of the human resources department: every row is judged, and carried out once."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.enums import Role, RowState, StaffFileAction, StaffFileState, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff, StaffFile
from crm.access import viewer_for
from crm.actions.staff_files import carry_out, read_staff_file, start_staff_file
from tests.builders import (
    make_customers,
    make_departed,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
TODAY = timezone.localdate(NOW)


def read(hua: Staff, text: str | bytes, name: str = "leavers.csv") -> StaffFile:
    content = text.encode() if isinstance(text, str) else text
    return read_staff_file(content, name, viewer=viewer_for(hua), now=NOW)


def rows(file: StaffFile) -> list[tuple[str, str, str]]:
    return [(row.state, row.action, row.reason) for row in file.rows.order_by("number")]


def carry(file: StaffFile, hua: Staff) -> None:
    start_staff_file(file, actor=hua, now=NOW)
    carry_out(file.pk, now=NOW)
    file.refresh_from_db()


def test_each_row_says_what_it_would_do_and_does_it(hua: Staff) -> None:
    lin, mei, wu = make_staff("Lin"), make_staff("Mei", phone="+8613800000002"), make_staff("吴静")
    su = make_staff("Su", state=StaffState.SUSPENDED)
    wei = make_departed("Wei")
    make_customers(2, owner=lin)
    day = TODAY + timedelta(days=30)
    file = read(
        hua,
        "userid,name,phone,last day,status\n"
        f"{lin.wecom_userid},,,,left\n"
        f",,138 0000 0002,{day.isoformat()},\n"
        ",吴静,,,休假\n"
        f"{su.wecom_userid},,,,active\n"
        f"{wei.wecom_userid},,,,在职\n",
    )

    assert [(state, action) for state, action, _ in rows(file)] == [
        (RowState.READY, StaffFileAction.LEAVE_NOW),
        (RowState.READY, StaffFileAction.LEAVE_ON),
        (RowState.READY, StaffFileAction.SUSPEND),
        (RowState.READY, StaffFileAction.RESUME),
        (RowState.READY, StaffFileAction.REHIRE),
    ]
    assert Staff.objects.get(pk=lin.pk).state == StaffState.ACTIVE, "nothing is done by reading"
    carry(file, hua)

    found = {person.pk: person for person in Staff.objects.all()}
    assert file.state == StaffFileState.DONE
    assert found[lin.pk].state == StaffState.DEPARTED
    assert (found[mei.pk].state, found[mei.pk].leaves_on) == (StaffState.LEAVING, day)
    assert found[wu.pk].state == StaffState.SUSPENDED
    assert (found[su.pk].state, found[wei.pk].state) == (StaffState.ACTIVE, StaffState.ACTIVE)
    assert {state for state, *_ in rows(file)} == {RowState.DONE}


def test_bad_rows_say_why_and_the_others_are_carried_out(hua: Staff) -> None:
    lin = make_staff("Lin")
    make_staff("Same")
    make_staff("Same")
    make_staff("Zed", wecom_userid="zed", store=make_store("Elsewhere"))
    admin = make_staff("Jin", role=Role.ADMINISTRATOR)
    file = read(
        hua,
        "姓名;userid;最后工作日;状态\n"
        f";{lin.wecom_userid};;离职\n"
        f";{lin.wecom_userid};;left\n"
        ";nobody;;left\n"
        ";zed;;left\n"
        "Same;;;left\n"
        ";;;left\n"
        f"Hua;;31.12.99;\n"
        "Hua;;;gone fishing\n"
        "Hua;;;\n"
        f"Hua;;;active\n"
        f";{admin.wecom_userid};;left\n",
    )

    outcome = rows(file)
    assert outcome[0][0] == RowState.READY
    assert [reason.split(".")[0] for _, _, reason in outcome[1:]] == [
        "An earlier row is about the same person",
        "Nobody here has this account, phone number or name",
        "Nobody here has this account, phone number or name",
        "Several people have this name",
        "The row names nobody: give an account, a phone number or a name",
        "The date cannot be read",
        "The status cannot be read",
        "The row says neither a status nor a last day",
        "It is so already",
        "Only an administrator can record the departure of an administrator",
    ]
    carry(file, hua)
    assert Staff.objects.filter(state=StaffState.DEPARTED).get() == lin


def test_the_same_file_twice_changes_nothing(hua: Staff) -> None:
    lin = make_staff("Lin")
    text = f"userid,status\n{lin.wecom_userid},left\n"
    carry(read(hua, text), hua)

    again = read(hua, text)

    assert rows(again) == [(RowState.SKIPPED, StaffFileAction.NOTHING, "It is so already.")]
    with pytest.raises(MovedOn):
        start_staff_file(StaffFile.objects.order_by("pk")[0], actor=hua, now=NOW)


def test_a_row_that_was_overtaken_is_skipped_and_a_second_worker_does_none_twice(
    hua: Staff,
) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    file = read(hua, f"userid,status\n{lin.wecom_userid},left\n{mei.wecom_userid},left\n")
    carry(read(hua, f"userid,status\n{lin.wecom_userid},left\n"), hua)

    start_staff_file(file, actor=hua, now=NOW)
    assert carry_out(file.pk, now=NOW) == 2
    assert carry_out(file.pk, now=NOW) == 0

    assert [state for state, *_ in rows(file)] == [RowState.SKIPPED, RowState.DONE]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_are_read_however_they_were_saved(hua: Staff, encoding: str, separator: str) -> None:
    make_staff("陈静")
    text = f"姓名{separator}状态\r\n陈静{separator}离职\r\n\r\n"

    file = read(hua, text.encode(encoding))

    assert rows(file) == [(RowState.READY, StaffFileAction.LEAVE_NOW, "")]


def workbook(*lines: tuple[str, ...]) -> bytes:
    """The smallest XLSX that spreadsheets open."""
    cells = "".join(
        "<row>"
        + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in line)
        + "</row>"
        for line in lines
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/s.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="s.xml"/></Relationships>',
        "xl/s.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return packed.getvalue()


def test_xlsx_is_known_by_its_content(hua: Staff) -> None:
    lin = make_staff("Lin")

    file = read(hua, workbook(("userid", "status"), (lin.wecom_userid or "", "left")), "x.csv")

    assert rows(file) == [(RowState.READY, StaffFileAction.LEAVE_NOW, "")]


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/s.xml", b"0" * 30_000_000)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b",,,\n,,\n", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (workbook(), "empty"),
        (b"userid,status\n", "no rows"),
        (b"colour,size\nblue,1\n", "first row must name"),
        (b"PK\x03\x04 not a workbook", "not an XLSX"),
        (b"%PDF-1.4\x00\x01", "neither a CSV nor"),
        (b"userid,status\n" + b"x,left\n" * 20_001, "20,000"),
        (b"x" * (5 * 1024 * 1024 + 1), "5 MB"),
    ],
)
def test_what_is_no_table_is_refused_as_a_whole(hua: Staff, content: bytes, why: str) -> None:
    with pytest.raises(RuleBroken, match=why):
        read(hua, content)

    assert not StaffFile.objects.exists()


def test_a_bomb_is_not_unpacked(hua: Staff) -> None:
    with pytest.raises(RuleBroken, match="no spreadsheet does"):
        read(hua, bomb(), "x.xlsx")


# --- the screens --------------------------------------------------------------------------------


def test_a_manager_uploads_looks_and_starts(client: Client, hua: Staff) -> None:
    lin = make_staff("Lin")
    sign_in(client, hua)
    upload = SimpleUploadedFile(
        "leavers.csv", f"userid,status\n{lin.wecom_userid},left\nx,left\n".encode()
    )

    page = client.post(reverse("staff_files"), {"file": upload}, follow=True)
    file = StaffFile.objects.get()

    assert "Carry out 1 row" in page.text
    assert "Nobody here has this account" in page.text
    started = client.post(reverse("staff_file_start", args=[file.pk]), follow=True)
    assert "every 2s" in started.text
    carry_out(file.pk, now=NOW)
    assert "every 2s" not in client.get(reverse("staff_file", args=[file.pk])).text
    report = b"".join(client.get(reverse("staff_file_report", args=[file.pk]))).decode()
    assert "Lin" in report
    assert "leaves now" in report
    assert Staff.objects.get(pk=lin.pk).state == StaffState.DEPARTED


def test_a_bad_file_is_told_on_the_page(client: Client, hua: Staff) -> None:
    sign_in(client, hua)

    page = client.post(reverse("staff_files"), {"file": SimpleUploadedFile("x.csv", b"a,b\n1,2")})

    assert page.status_code == 400
    assert "first row must name the columns" in page.text


def test_files_of_others_do_not_exist(client: Client, hua: Staff) -> None:
    lin = make_staff("Lin")
    file = read(hua, f"userid,status\n{lin.wecom_userid},left\n")
    stranger = make_staff("Qi", role=Role.MANAGER, store=make_store("Elsewhere"))
    sign_in(client, stranger)

    for name in ("staff_file", "staff_file_report"):
        assert client.get(reverse(name, args=[file.pk])).status_code == 404
    assert client.post(reverse("staff_file_start", args=[file.pk])).status_code == 404
    sign_in(client, lin)
    assert client.get(reverse("staff_files")).status_code == 403


def test_files_and_rows_take_the_same_queries_for_3_and_for_many(
    client: Client, hua: Staff
) -> None:
    sign_in(client, hua)
    people = [make_staff(f"Lin{number}") for number in range(30)]

    def upload(number: int) -> StaffFile:
        lines = "".join(f"{person.wecom_userid},left\n" for person in people[:number])
        return read(hua, f"userid,status\n{lines}")

    few, *_others = [upload(3) for _ in range(3)]
    page, files = reverse("staff_file", args=[few.pk]), reverse("staff_files")
    of_three = queries_for(client, page), queries_for(client, files)
    many, *_others = [upload(30) for _ in range(10)]

    page = reverse("staff_file", args=[many.pk])
    assert (queries_for(client, page), queries_for(client, files)) == of_three


def test_people_leaving_are_listed_for_their_manager(client: Client, hua: Staff) -> None:
    make_staff("Lin", state=StaffState.LEAVING, leaves_on=TODAY)
    make_staff("Zed", state=StaffState.LEAVING, leaves_on=TODAY, store=make_store("Elsewhere"))
    sign_in(client, hua)

    page = client.get(reverse("people_leaving"))

    assert "Lin" in page.text
    assert "Zed" not in page.text


@pytest.mark.parametrize(
    ("name", "data", "state", "then"),
    [
        ("staff_leaving", {"leaves_on": "2999-01-01"}, StaffState.ACTIVE, StaffState.LEAVING),
        ("staff_leaving", {"leaves_on": "1999-01-01"}, StaffState.ACTIVE, StaffState.ACTIVE),
        ("staff_leaving", {"leaves_on": "soon"}, StaffState.ACTIVE, StaffState.ACTIVE),
        ("staff_stay", {}, StaffState.LEAVING, StaffState.ACTIVE),
        ("staff_suspend", {}, StaffState.ACTIVE, StaffState.SUSPENDED),
        ("staff_resume", {}, StaffState.SUSPENDED, StaffState.ACTIVE),
        ("staff_resume", {}, StaffState.ACTIVE, StaffState.ACTIVE),
    ],
)
def test_the_buttons_of_the_staff_page(
    client: Client, hua: Staff, name: str, data: dict[str, str], state: str, then: str
) -> None:
    lin = make_staff("Lin", state=state)
    sign_in(client, hua)
    assert client.get(reverse("staff_page", args=[lin.pk])).status_code == 200

    client.post(reverse(name, args=[lin.pk]), data)

    assert Staff.objects.get(pk=lin.pk).state == then


def test_nobody_sends_a_colleague_of_another_store_on_leave(client: Client, hua: Staff) -> None:
    zed = make_staff("Zed", store=make_store("Elsewhere"))
    sign_in(client, hua)

    for name in ("staff_leaving", "staff_stay", "staff_suspend", "staff_resume", "staff_rehire"):
        assert client.post(reverse(name, args=[zed.pk])).status_code == 404
    assert Staff.objects.get(pk=zed.pk).state == StaffState.ACTIVE
