"""A7 and A8: company tags and contact ways."""

import pytest

from .conftest import Box


def group(box: Box) -> dict[str, str]:
    return {t["name"]: t["id"] for t in box.contact("get_corp_tag_list")["tag_group"][0]["tag"]}


def test_a_new_group_needs_a_tag_and_an_existing_name_is_extended(box: Box) -> None:
    assert box.code("add_corp_tag", group_name="Colour", tag=[]) == 40058

    said = box.contact("add_corp_tag", group_name="Size", tag=[{"name": "L"}, {"name": "S"}])

    assert {t["name"] for t in said["tag_group"]["tag"]} == {"L", "S"}
    assert set(group(box)) == {"S", "M", "L"}


def test_an_empty_group_id_and_a_long_name_are_refused(box: Box) -> None:
    assert box.code("add_corp_tag", group_id="", tag=[{"name": "L"}]) == 40068
    assert box.code("add_corp_tag", group_name="Size", tag=[{"name": "x" * 31}]) == 40058
    assert set(group(box)) == {"S", "M"}


def test_a_tag_cannot_take_its_sisters_name(box: Box) -> None:
    assert box.code("edit_corp_tag", id=group(box)["S"], name="M") == 40071
    assert box.code("edit_corp_tag", id=group(box)["S"], name="Small") == 0
    assert set(group(box)) == {"Small", "M"}


def test_a_group_goes_with_its_last_tag_and_customers_lose_it(box: Box) -> None:
    ids = group(box)
    box.contact("mark_tag", userid="lin", external_userid="wo1", add_tag=[ids["S"]])

    assert box.code("del_corp_tag", tag_id=[ids["S"], ids["M"]]) == 0

    assert box.contact("get_corp_tag_list")["tag_group"] == []
    assert box.control.rows("follows", external_userid="wo1")[0]["tag_ids"] == []
    assert box.code("del_corp_tag", tag_id=[ids["S"]]) == 40068


def way(box: Box, **changes: object) -> dict[str, object]:
    body = {"type": 2, "scene": 2, "state": "cc-1", "user": ["lin", "mei"], **changes}
    return box.contact("add_contact_way", **body)


def test_a_contact_way_lives_from_add_to_delete(box: Box) -> None:
    config_id = way(box)["config_id"]

    box.contact("update_contact_way", config_id=config_id, user=["mei"], remark="Door")
    shown = box.contact("get_contact_way", config_id=config_id)["contact_way"]
    assert (shown["user"], shown["remark"], shown["state"]) == (["mei"], "Door", "cc-1")
    assert box.contact("list_contact_way")["contact_way"] == [{"config_id": config_id}]

    assert box.code("del_contact_way", config_id=config_id) == 0
    assert box.code("get_contact_way", config_id=config_id) == 41044


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"type": 3}, 41039),
        ({"scene": 0}, 41040),
        ({"type": 1}, 41041),
        ({"user": ["lin"] * 101}, 41041),
        ({"user": ["lin", "nobody"]}, 40031),
        ({"user": ["lin", "asleep"]}, 41054),
        ({"user": ["lin", "unnamed"]}, 40098),
        ({"user": ["lin", "norights"]}, 84074),
        ({"user": []}, 40058),
        ({"state": "x" * 31}, 40058),
    ],
)
def test_one_bad_field_or_member_fails_the_whole_way(
    box: Box, changes: dict[str, object], errcode: int
) -> None:
    box.control.seed(
        staff=[
            {"userid": "asleep", "active": False},
            {"userid": "unnamed", "real_name": False},
            {"userid": "norights", "can_follow": False},
        ]
    )

    assert way(box, **changes)["errcode"] == errcode
    assert box.contact("list_contact_way")["contact_way"] == []


def test_type_and_scene_are_needed(box: Box) -> None:
    assert box.code("add_contact_way", scene=2, user=["lin"]) == 41037
    assert box.code("add_contact_way", type=2, user=["lin"]) == 41038


def test_scans_reach_the_members_in_turn_and_skip_who_left(box: Box) -> None:
    way(box)
    people = [{"external_userid": f"new{n}", "name": f"New {n}"} for n in range(4)]
    box.control.scan(people[:3], state="cc-1")
    box.control.depart("mei")
    box.control.scan(people[3:], state="cc-1")

    owners = {
        row["external_userid"]: row["userid"]
        for row in box.control.rows("follows")
        if row["state"] == "cc-1"
    }

    assert owners == {"new0": "lin", "new2": "lin", "new3": "lin"}


def test_an_exclusive_code_keeps_a_customer_with_their_member(box: Box) -> None:
    way(box, is_exclusive=True)
    box.control.seed(customers=[{"external_userid": "chen", "follows": [{"userid": "mei"}]}])

    box.control.scan([{"external_userid": "chen"}] * 3, state="cc-1")

    assert [r["userid"] for r in box.control.rows("follows", external_userid="chen")] == ["mei"]
