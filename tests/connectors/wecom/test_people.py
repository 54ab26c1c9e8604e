"""Members, customers and tags."""

from datetime import UTC, datetime

import pytest

from connectors.wecom.api.customers import (
    Remark,
    batch_get_by_user,
    get_external_contact,
    list_external_user_ids,
    remark_customer,
)
from connectors.wecom.api.staff import (
    Presence,
    get_follow_user_list,
    get_user,
    presence_of,
    user_list_id,
    user_simplelist,
)
from connectors.wecom.api.tags import add_corp_tag, get_corp_tag_list, mark_tag
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import ConfigProblem, Refused
from tests.connectors.wecom.scripted import OK, Answer, Raw, ScriptedWeCom

BATCH = "externalcontact/batch/get_by_user"


def test_members_are_read(client: WeComClient, wecom: ScriptedWeCom) -> None:
    lin = {"userid": "lin", "name": "林", "department": [2, 3], "status": 1, "position": "导购"}
    wecom.script("externalcontact/get_follow_user_list", {**OK, "follow_user": ["lin", "mei"]})
    wecom.script("user/get", {**OK, **lin, "new_field": {}})
    wecom.script("user/simplelist", {**OK, "userlist": [lin, "nonsense"]})
    wecom.script_pages("user/list_id", "dept_user", [{"userid": "lin", "department": 2}] * 3, 2)

    member = get_user(client, "lin")

    assert get_follow_user_list(client) == ("lin", "mei")
    assert member
    assert (member.name, member.department_ids, member.status) == ("林", (2, 3), 1)
    assert user_simplelist(client, 2) == (member,)
    assert [place.department_id for place in user_list_id(client)] == [2, 2, 2]
    assert wecom.calls_to("user/get")[0].query["userid"] == "lin"


@pytest.mark.parametrize(
    "answer",
    [Raw(status=404), *({"errcode": code} for code in (60011, 60111, 48002, 301002, 40066))],
)
def test_members_outside_our_sight_are_nobody(
    client: WeComClient, wecom: ScriptedWeCom, answer: Answer
) -> None:
    wecom.script("user/get", answer)
    wecom.script("user/simplelist", answer)

    assert get_user(client, "wei") is None
    assert user_simplelist(client, 9) == ()


@pytest.mark.parametrize(
    ("answer", "presence"),
    [
        ({**OK, "userid": "lin", "status": 1}, Presence.HERE),
        ({**OK, "userid": "lin", "status": 5}, Presence.GONE),
        ({"errcode": 60111}, Presence.GONE),
        ({"errcode": 60011}, Presence.UNTOLD),
        ({"errcode": 48002}, Presence.UNTOLD),
        ({"errcode": 301002}, Presence.UNTOLD),
        ({"errcode": 84074}, Presence.UNTOLD),
        ({"errcode": 40066}, Presence.UNTOLD),
        (Raw(status=404), Presence.UNTOLD),
    ],
)
def test_who_is_gone_and_who_is_only_out_of_sight(
    client: WeComClient, wecom: ScriptedWeCom, answer: Answer, presence: Presence
) -> None:
    wecom.script("user/get", answer)

    assert presence_of(client, "lin") == presence


def test_that_members_cannot_be_asked_about_is_told(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script("user/get", {"errcode": 60020})
    with pytest.raises(ConfigProblem):
        presence_of(client, "lin")

    wecom.script("user/get", {"errcode": 40058})
    with pytest.raises(Refused):
        presence_of(client, "lin")


def test_other_failures_to_read_a_member_are_told(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script("user/get", {"errcode": 60020})
    wecom.script("user/simplelist", {"errcode": 40058})

    with pytest.raises(ConfigProblem):
        get_user(client, "lin")
    with pytest.raises(Refused):
        user_simplelist(client, 2)


def test_a_member_without_customers_has_none(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script("externalcontact/list", {"errcode": 84061, "errmsg": "not external contact"})
    wecom.script(BATCH, {"errcode": 84061})

    assert list_external_user_ids(client, "lin") == ()
    assert list(batch_get_by_user(client, ["lin"])) == []


def test_the_customers_of_many_members_are_read(client: WeComClient, wecom: ScriptedWeCom) -> None:
    row = {
        "external_contact": {"external_userid": "wo1", "name": "李\x00\ud83d", "type": 1},
        "follow_info": {
            "userid": "lin",
            "createtime": 1760000000,
            "tag_id": ["et1"],
            "remark_mobiles": ["13800000000"],
            "add_way": 99,
            "state": "cc-17",
        },
    }
    failed = {"unlicensed_userid_list": ["mei"]}
    wecom.script(BATCH, {**OK, "external_contact_list": [row], "fail_info": failed})

    (page,) = batch_get_by_user(client, ["lin", "mei"])

    ((profile, follow),) = page.follows
    assert profile.name.startswith("李\N{REPLACEMENT CHARACTER}")
    assert profile.kind == 1
    assert follow.began_at == datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    assert (follow.tag_ids, follow.add_way, follow.state) == (("et1",), 99, "cc-17")
    assert page.failed_user_ids == ("mei",)
    with pytest.raises(ValueError, match="101 members"):
        next(batch_get_by_user(client, ["lin"] * 101))


def test_own_tags_are_kept_apart_from_company_tags(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    tags = [
        {"tag_id": "et1", "tag_name": "VIP", "type": 1},
        {"tag_name": "怕冷", "type": 2},
        {"tag_id": "et3", "type": 3},
    ]
    follow = {"userid": "lin", "tags": tags, "remark": None, "createtime": "soon"}
    wecom.script("externalcontact/get", {**OK, "external_contact": None, "follow_user": [follow]})

    (read,) = get_external_contact(client, "wo1").follows

    assert read.tag_ids == ("et1", "et3")
    assert read.personal_tags == ("怕冷",)
    assert (read.remark, read.began_at) == ("", None)


def test_a_note_changes_only_what_it_says(client: WeComClient, wecom: ScriptedWeCom) -> None:
    remark_customer(client, "lin", "wo1", Remark(remark="陈女士", mobiles=[]))

    assert wecom.calls_to("externalcontact/remark")[0].json == {
        "userid": "lin",
        "external_userid": "wo1",
        "remark": "陈女士",
        "remark_mobiles": [""],
    }
    for note in (Remark(), Remark(remark="长" * 21), Remark(description="长" * 151)):
        with pytest.raises(ValueError, match=r"note|characters"):
            remark_customer(client, "lin", "wo1", note)
    assert len(wecom.calls_to("externalcontact/remark")) == 1


def test_tags_are_read_added_and_put_on(client: WeComClient, wecom: ScriptedWeCom) -> None:
    group = {
        "group_id": "g1",
        "group_name": "Style",
        "tag": [{"id": "t1", "name": "Sport", "deleted": True}],
    }
    wecom.script("externalcontact/get_corp_tag_list", {**OK, "tag_group": [group]})
    wecom.script("externalcontact/add_corp_tag", {**OK, "tag_group": group})

    (read,) = get_corp_tag_list(client)
    added = add_corp_tag(client, ["Sport"], group_name="Style")
    mark_tag(client, "lin", "wo1", add=["t1"])

    assert read == added
    assert read.tags[0].deleted
    assert wecom.calls_to("externalcontact/add_corp_tag")[0].json == {
        "group_name": "Style",
        "tag": [{"name": "Sport"}],
        "agentid": 1000002,
    }
    assert "remove_tag" not in wecom.calls_to("externalcontact/mark_tag")[0].json


def test_tags_that_wecom_would_refuse_are_not_sent(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    with pytest.raises(ValueError, match="no tag"):
        mark_tag(client, "lin", "wo1")
    with pytest.raises(ValueError, match="empty"):
        add_corp_tag(client, [], group_id="g1")
    with pytest.raises(ValueError, match="one group"):
        add_corp_tag(client, ["Sport"])
    with pytest.raises(ValueError, match="31 characters"):
        add_corp_tag(client, ["长" * 31], group_id="g1")

    assert not wecom.calls
