import pytest

from connectors.wecom.api.contact_ways import (
    ContactWay,
    WayKind,
    add_contact_way,
    del_contact_way,
    get_contact_way,
    list_contact_way,
    update_contact_way,
)
from connectors.wecom.api.media import MediaFile, MediaKind, upload_image, upload_media
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Refused, Unclear
from tests.connectors.wecom.scripted import OK, Raw, ScriptedWeCom

ADD = "externalcontact/add_contact_way"
PICTURE = MediaFile('海报".png', b"\x89PNG....", "image/png")


def test_a_contact_code_is_made_without_empty_fields(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(ADD, {**OK, "config_id": "c1", "qr_code": "https://qr.example/1"})

    made = add_contact_way(client, ContactWay(["lin", "mei"], state="cc-17", skip_verify=False))

    assert (made.config_id, made.qr_code) == ("c1", "https://qr.example/1")
    assert wecom.calls_to(ADD)[0].json == {
        "type": 2,
        "scene": 2,
        "user": ["lin", "mei"],
        "state": "cc-17",
        "skip_verify": False,
    }


def test_a_lost_new_code_is_unclear(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(ADD, Raw(b"{"))

    with pytest.raises(Unclear):
        add_contact_way(client, ContactWay(["lin"]))


@pytest.mark.parametrize(
    ("way", "why"),
    [
        (ContactWay(["lin"] * 101), "101 members"),
        (ContactWay(["lin", "mei"], kind=WayKind.SINGLE), "one member"),
        (ContactWay(["lin"], state="长" * 31), "state"),
        (ContactWay(["lin"], remark="长" * 31), "remark"),
    ],
)
def test_a_code_that_wecom_would_refuse_is_not_sent(
    client: WeComClient, wecom: ScriptedWeCom, way: ContactWay, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        add_contact_way(client, way)
    with pytest.raises(ValueError, match=why):
        update_contact_way(client, "c1", way)

    assert not wecom.calls


def test_codes_are_read_listed_changed_and_deleted(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    row = {
        "type": 1,
        "scene": 2,
        "user": ["lin"],
        "state": "cc-17",
        "qr_code": "https://qr.example/",
    }
    wecom.script("externalcontact/get_contact_way", {**OK, "contact_way": row})
    ways = [{"config_id": f"c{i}"} for i in range(3)]
    wecom.script_pages("externalcontact/list_contact_way", "contact_way", ways, 2)
    wecom.script("externalcontact/del_contact_way", OK, {"errcode": 41044}, {"errcode": 41043})

    kept = get_contact_way(client, "c1")
    update_contact_way(client, "c1", kept.way)
    del_contact_way(client, "c1")
    del_contact_way(client, "c1")

    assert kept.way == ContactWay(("lin",), state="cc-17", kind=WayKind.SINGLE)
    assert list(list_contact_way(client)) == ["c0", "c1", "c2"]
    changed = wecom.calls_to("externalcontact/update_contact_way")[0].json
    assert changed == {"config_id": "c1", "user": ["lin"], "state": "cc-17", "skip_verify": True}
    with pytest.raises(Refused):
        del_contact_way(client, "")


def test_files_are_uploaded(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script("media/upload", Raw(cut=0), {**OK, "media_id": "m1", "created_at": "1760000000"})
    wecom.script("media/uploadimg", {**OK, "url": "https://p.example/"})

    media = upload_media(client, MediaKind.IMAGE, PICTURE)

    assert media.media_id == "m1"
    assert media.created_at
    assert upload_image(client, PICTURE) == "https://p.example/"
    call = wecom.calls_to("media/upload")[-1]
    assert call.query["type"] == "image"
    assert b'name="media"; filename="' in call.body
    assert PICTURE.content in call.body


@pytest.mark.parametrize("content", [b"", b"12345", b"." * (2 * 1024 * 1024 + 1)])
def test_files_that_wecom_would_refuse_are_not_sent(
    client: WeComClient, wecom: ScriptedWeCom, content: bytes
) -> None:
    with pytest.raises(ValueError, match="bytes"):
        upload_media(client, MediaKind.IMAGE, MediaFile("a.png", content, "image/png"))

    assert not wecom.calls
