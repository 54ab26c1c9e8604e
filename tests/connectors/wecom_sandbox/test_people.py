"""A6: members, customers, remarks and marks; and the address book."""

from typing import Any

from .conftest import Box, customer


def test_members_with_customer_rights_are_listed(box: Box) -> None:
    box.control.seed(staff=[{"userid": "hua", "can_follow": False}])

    assert box.get("externalcontact/get_follow_user_list")["follow_user"] == ["lin", "mei"]


def test_list_knows_customers_nobody_and_strangers(box: Box) -> None:
    assert box.get("externalcontact/list", userid="lin")["external_userid"] == [
        "wo1",
        "wo2",
        "wo3",
        "wo4",
    ]
    assert box.get("externalcontact/list", userid="mei")["errcode"] == 84061
    assert box.get("externalcontact/list", userid="nobody")["errcode"] == 60111


def test_get_shows_every_follower_with_tags(box: Box) -> None:
    box.control.seed(customers=[customer(1, "lin", "mei", gender=2)])
    box.control.seed(
        customers=[customer(1, follows=[{"userid": "mei", "tag_ids": ["S"], "add_way": 3}])]
    )

    said = box.get("externalcontact/get", external_userid="wo1")

    assert said["external_contact"]["unionid"] == "union1"
    assert [row["userid"] for row in said["follow_user"]] == ["lin", "mei"]
    tag = said["follow_user"][1]["tags"][0]
    assert (tag["group_name"], tag["tag_name"], tag["type"]) == ("Size", "S", 1)
    assert box.get("externalcontact/get", external_userid="wo9")["errcode"] == 40096


def test_a_wecom_contact_has_no_unionid(box: Box) -> None:
    box.control.seed(customers=[customer(5, "lin", type=2)])

    said = box.get("externalcontact/get", external_userid="wo5")

    assert "unionid" not in said["external_contact"]


def all_pages(box: Box, path: str, rows: str, **body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        said = box.contact(path, cursor=cursor, **body)
        found += said[rows]
        cursor = said["next_cursor"]
        if not cursor:
            return found


def test_batch_pages_are_followed_to_the_end(box: Box) -> None:
    box.control.faults(page_size=3)

    rows = all_pages(
        box, "batch/get_by_user", "external_contact_list", userid_list=["lin", "mei"], limit=100
    )

    assert [r["external_contact"]["external_userid"] for r in rows] == ["wo1", "wo2", "wo3", "wo4"]
    assert rows[0]["follow_info"]["tag_id"] == []
    assert "tags" not in rows[0]["follow_info"]


def test_a_customer_who_goes_between_two_pages_hides_nobody(box: Box) -> None:
    first = box.contact("batch/get_by_user", userid_list=["lin"], limit=2)
    box.control.remove(external_userid="wo1", userid="lin")

    second = box.contact(
        "batch/get_by_user", userid_list=["lin"], limit=2, cursor=first["next_cursor"]
    )

    ids = [r["external_contact"]["external_userid"] for r in second["external_contact_list"]]
    assert ids == ["wo3", "wo4"]


def test_batch_limits_are_breaches(box: Box) -> None:
    assert box.code("batch/get_by_user", userid_list=["lin"], limit=101) == 40058
    assert box.code("batch/get_by_user", userid_list=["lin"] * 101) == 40058
    assert box.code("batch/get_by_user", userid_list=["lin"], cursor="mine") == 40058
    assert box.breaches() == [
        "page of 101, 100 allowed",
        "101 userid_list in one call, 100 allowed",
        "made-up cursor 'mine'",
    ]


def test_remark_overwrites_what_is_given_and_clears_phones(box: Box) -> None:
    pair = {"userid": "lin", "external_userid": "wo1"}
    box.contact("remark", **pair, remark="Chen", description="Likes blue", remark_mobiles=["138"])
    box.contact("remark", **pair, remark="Chen Yu", remark_mobiles=[""])

    row = box.get("externalcontact/get", external_userid="wo1")["follow_user"][0]

    assert (row["remark"], row["description"], row["remark_mobiles"]) == (
        "Chen Yu",
        "Likes blue",
        [],
    )


def test_a_refused_remark_changes_nothing(box: Box) -> None:
    pair = {"userid": "lin", "external_userid": "wo1"}

    assert box.code("remark", **pair, description="fine", remark="x" * 21) == 40058
    assert box.code("remark", **pair) == 40058
    assert box.code("remark", userid="mei", external_userid="wo1", remark="Chen") == 84061
    row = box.get("externalcontact/get", external_userid="wo1")["follow_user"][0]
    assert (row["remark"], row["description"]) == ("", "")


def test_tags_are_added_and_removed_per_relation(box: Box) -> None:
    ids = {t["name"]: t["id"] for t in box.contact("get_corp_tag_list")["tag_group"][0]["tag"]}
    pair = {"userid": "lin", "external_userid": "wo1"}

    box.contact("mark_tag", **pair, add_tag=[ids["S"], ids["M"]])
    box.contact("mark_tag", **pair, remove_tag=[ids["S"]])

    assert box.control.rows("follows", external_userid="wo1")[0]["tag_ids"] == [ids["M"]]


def test_refused_marks_change_nothing(box: Box) -> None:
    tag = box.contact("get_corp_tag_list")["tag_group"][0]["tag"][0]["id"]
    pair = {"userid": "lin", "external_userid": "wo1"}

    assert box.code("mark_tag", **pair) == 40058
    assert box.code("mark_tag", **pair, add_tag=[tag, "etgone"]) == 40068
    assert box.code("mark_tag", userid="mei", external_userid="wo1", add_tag=[tag]) == 84061
    assert box.code("mark_tag", userid="lin", external_userid="wo9", add_tag=[tag]) == 40096
    assert box.control.rows("follows", external_userid="wo1")[0]["tag_ids"] == []


def test_the_address_book_shows_members_at_work(box: Box) -> None:
    box.control.seed(
        departments=[{"id": 2, "name": "West Lake"}], staff=[{"userid": "hua", "department": 2}]
    )
    box.control.depart("mei")

    people = box.get("user/simplelist", department_id=1, fetch_child=1)["userlist"]

    assert [p["userid"] for p in people] == ["lin", "hua"]
    assert box.get("user/get", userid="hua")["department"] == [2]
    assert box.post("user/list_id")["dept_user"] == [
        {"userid": "lin", "department": 1},
        {"userid": "hua", "department": 2},
    ]
    assert box.get("user/get", userid="mei")["errcode"] == 60111
    assert [d["id"] for d in box.get("department/list")["department"]] == [1, 2]
