"""The API side: which handler answers which path, and what every call passes first."""

from collections.abc import Callable

from connectors.wecom.sandbox import (
    appmessages,
    groups,
    limits,
    media,
    messages,
    moments,
    people,
    tags,
    tokens,
    transfers,
    ways,
    welcome,
)
from connectors.wecom.sandbox.errors import Refusal, text_of
from connectors.wecom.sandbox.faults import injected_errcode
from connectors.wecom.sandbox.state import Call, Json, World

Handler = Callable[[World, Call], Json]

CONTACT = "externalcontact/"
ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "gettoken"): tokens.gettoken,
    ("GET", CONTACT + "get_follow_user_list"): people.get_follow_user_list,
    ("GET", CONTACT + "list"): people.list_customers,
    ("GET", CONTACT + "get"): people.get_customer,
    ("POST", CONTACT + "batch/get_by_user"): people.batch_get_by_user,
    ("POST", CONTACT + "remark"): people.remark,
    ("POST", CONTACT + "mark_tag"): people.mark_tag,
    ("POST", CONTACT + "get_corp_tag_list"): tags.get_corp_tag_list,
    ("POST", CONTACT + "add_corp_tag"): tags.add_corp_tag,
    ("POST", CONTACT + "edit_corp_tag"): tags.edit_corp_tag,
    ("POST", CONTACT + "del_corp_tag"): tags.del_corp_tag,
    ("POST", CONTACT + "add_contact_way"): ways.add_contact_way,
    ("POST", CONTACT + "get_contact_way"): ways.get_contact_way,
    ("POST", CONTACT + "list_contact_way"): ways.list_contact_way,
    ("POST", CONTACT + "update_contact_way"): ways.update_contact_way,
    ("POST", CONTACT + "del_contact_way"): ways.del_contact_way,
    ("POST", CONTACT + "send_welcome_msg"): welcome.send_welcome_msg,
    ("POST", CONTACT + "add_msg_template"): messages.add_msg_template,
    ("POST", CONTACT + "get_groupmsg_list_v2"): messages.get_groupmsg_list_v2,
    ("POST", CONTACT + "get_groupmsg_task"): messages.get_groupmsg_task,
    ("POST", CONTACT + "get_groupmsg_send_result"): messages.get_groupmsg_send_result,
    ("POST", CONTACT + "remind_groupmsg_send"): messages.remind_groupmsg_send,
    ("POST", CONTACT + "cancel_groupmsg_send"): messages.cancel_groupmsg_send,
    ("POST", CONTACT + "add_moment_task"): moments.add_moment_task,
    ("GET", CONTACT + "get_moment_task_result"): moments.get_moment_task_result,
    ("POST", CONTACT + "get_moment_list"): moments.get_moment_list,
    ("POST", CONTACT + "get_moment_task"): moments.get_moment_task,
    ("POST", CONTACT + "get_moment_customer_list"): moments.get_moment_customer_list,
    ("POST", CONTACT + "get_moment_send_result"): moments.get_moment_send_result,
    ("POST", CONTACT + "get_moment_comments"): moments.get_moment_comments,
    ("POST", CONTACT + "cancel_moment_task"): moments.cancel_moment_task,
    ("POST", CONTACT + "transfer_customer"): transfers.transfer_customer,
    ("POST", CONTACT + "transfer_result"): transfers.transfer_result,
    ("POST", CONTACT + "resigned/transfer_customer"): transfers.resigned_transfer_customer,
    ("POST", CONTACT + "resigned/transfer_result"): transfers.resigned_transfer_result,
    ("POST", CONTACT + "get_unassigned_list"): transfers.get_unassigned_list,
    ("POST", CONTACT + "groupchat/list"): groups.list_groups,
    ("POST", CONTACT + "groupchat/get"): groups.get_group,
    ("POST", CONTACT + "groupchat/transfer"): groups.transfer,
    ("POST", CONTACT + "groupchat/onjob_transfer"): groups.onjob_transfer,
    ("POST", "media/upload"): media.upload,
    ("POST", "media/upload_attachment"): media.upload_attachment,
    ("POST", "media/uploadimg"): media.uploadimg,
    ("GET", "user/get"): people.get_user,
    ("GET", "user/simplelist"): people.simplelist,
    ("POST", "user/list_id"): people.list_ids,
    ("GET", "department/list"): people.departments,
    ("POST", "message/send"): appmessages.send,
}


def answer_api(world: World, call: Call) -> Json:
    """What WeCom would say, always as a body with errcode and errmsg.

    Breaches are written to the ledger, and so is every errcode.
    """
    world.ledger.calls[call.path] += 1
    try:
        answer = {"errcode": 0, "errmsg": "ok", **_handle(world, call)}
    except Refusal as refusal:
        if refusal.breach:
            world.ledger.breach(call.at, call.path, refusal.breach)
        answer = {"errcode": refusal.errcode, "errmsg": f"{refusal.errmsg}, hint: [sandbox]"}
    world.ledger.errcodes[call.path][answer["errcode"]] += 1
    return answer


def _handle(world: World, call: Call) -> Json:
    handler = ROUTES.get((call.method, call.path))
    if handler is None:
        raise Refusal(40066, f"{call.method} {call.path}", breach="no such call")
    limits.check_rate(world, call)
    if handler is not tokens.gettoken:
        tokens.check_token(world, call)
    limits.check_concurrency(call)
    limits.check_readable(call)
    errcode = injected_errcode(world, call.path)
    if errcode:
        raise Refusal(errcode, text_of(errcode))
    return handler(world, call)
