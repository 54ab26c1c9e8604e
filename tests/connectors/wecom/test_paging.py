import pytest

from connectors.wecom.api.customers import batch_get_by_user, get_external_contact
from connectors.wecom.api.messages import get_groupmsg_send_result
from connectors.wecom.api.transfers import get_unassigned_list, unassigned_pages
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy
from tests.connectors.wecom.scripted import OK, Call, ScriptedWeCom

SENT = "externalcontact/get_groupmsg_send_result"


@pytest.mark.parametrize("size", [2, 3, 7, 1000])
def test_every_page_is_read_and_an_empty_one_is_not_the_end(
    client: WeComClient, wecom: ScriptedWeCom, size: int
) -> None:
    rows = [{"external_userid": f"wo{i}", "status": 1} for i in range(7)]
    wecom.script_pages(SENT, "send_list", rows, size)

    results = list(get_groupmsg_send_result(client, "m1", "lin"))

    assert [result.external_user_id for result in results] == [f"wo{i}" for i in range(7)]


def test_pages_are_fetched_when_they_are_needed(client: WeComClient, wecom: ScriptedWeCom) -> None:
    rows = [{"external_userid": f"wo{i}", "status": 1} for i in range(100)]
    wecom.script_pages(SENT, "send_list", rows, 3)

    results = get_groupmsg_send_result(client, "m1", "lin")
    next(results)

    assert len(wecom.calls_to(SENT)) == 1


def test_a_token_that_expires_between_pages_loses_and_repeats_no_row(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    rows = [{"external_userid": f"wo{i}", "status": 1} for i in range(6)]
    wecom.script_pages(SENT, "send_list", rows, 2)
    seen = []

    for result in get_groupmsg_send_result(client, "m1", "lin"):
        seen.append(result.external_user_id)
        wecom.expire_token()

    assert seen == [f"wo{i}" for i in range(6)]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_cursor_that_comes_again_ends_the_reading(
    client: WeComClient, wecom: ScriptedWeCom, cursors: list[str]
) -> None:
    pages = [{**OK, "send_list": [], "next_cursor": cursor} for cursor in cursors]
    wecom.script(SENT, *pages)

    with pytest.raises(Busy, match="same page"):
        list(get_groupmsg_send_result(client, "m1", "lin"))

    assert len(wecom.calls_to(SENT)) == len(cursors)


def test_all_follows_of_a_customer_are_put_together(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    def page(call: Call) -> dict:
        first = "cursor" not in call.query
        return {
            **OK,
            "external_contact": {"external_userid": "wo1", "name": "陈"},
            "follow_user": [{"userid": "lin" if first else "mei"}],
            "next_cursor": "c2" if first else "",
        }

    wecom.script("externalcontact/get", page)

    customer = get_external_contact(client, "wo1")

    assert customer.profile.name == "陈"
    assert [follow.user_id for follow in customer.follows] == ["lin", "mei"]


def test_the_last_page_of_leavers_is_the_last(client: WeComClient, wecom: ScriptedWeCom) -> None:
    row = {"handover_userid": "wei", "external_userid": "wo1", "dimission_time": 1760000000}
    wecom.script(
        "externalcontact/get_unassigned_list",
        {**OK, "info": [row], "is_last": False, "next_cursor": "c2"},
        {**OK, "info": [row], "is_last": True, "next_cursor": "c3"},
    )

    assert len(list(get_unassigned_list(client, page_size=5000))) == 2
    first, second = wecom.calls_to("externalcontact/get_unassigned_list")
    assert first.json == {"page_size": 1000}
    assert second.json == {"page_size": 1000, "cursor": "c2"}


def test_limits_are_kept_in_bounds(client: WeComClient, wecom: ScriptedWeCom) -> None:
    list(batch_get_by_user(client, ["lin"], limit=500))
    list(get_groupmsg_send_result(client, "m1", "lin", limit=0))

    assert wecom.calls_to("externalcontact/batch/get_by_user")[0].json["limit"] == 100
    assert wecom.calls_to(SENT)[0].json["limit"] == 1


def test_a_reading_goes_on_at_the_cursor_of_an_earlier_page(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    rows = [{"handover_userid": "wei", "external_userid": f"wo{i}"} for i in range(5)]
    wecom.script_pages("externalcontact/get_unassigned_list", "info", rows, 2)
    first = next(unassigned_pages(client))

    rest = list(unassigned_pages(client, cursor=first.next_cursor))

    found = [row.external_user_id for page in [first, *rest] for row in page.rows]
    assert found == [f"wo{i}" for i in range(5)]
    assert rest[-1].next_cursor == ""


def test_follows_go_on_at_the_cursor_of_an_earlier_page(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    rows = [
        {"external_contact": {"external_userid": f"wo{i}"}, "follow_info": {"userid": "lin"}}
        for i in range(5)
    ]
    wecom.script_pages("externalcontact/batch/get_by_user", "external_contact_list", rows, 2)
    first = next(batch_get_by_user(client, ["lin"]))

    rest = list(batch_get_by_user(client, ["lin"], cursor=first.next_cursor))

    found = [profile.external_user_id for page in [first, *rest] for profile, _ in page.follows]
    assert found == [f"wo{i}" for i in range(5)]
