"""The far side of a comparison: answers as WeCom does for the first guides of the company.

`python -m bench.far_wecom` prints the port it listens on and serves until its input ends. A process
of its own, so that its memory and its work are not taken for ours.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.company import CUSTOMERS, EACH, GUIDES, LEAVERS

SHOWN = 72
"""Guides whom WeCom shows: 1,400 customers each."""

MISSING = 2_000
"""One in so many connections is not in WeCom any more."""

NO_RELATION, NO_MEMBER = 84061, 60111

Json = dict[str, Any]


def shown_follows() -> list[tuple[str, int]]:
    """Who is connected with whom: the id of a member and the number of a customer."""
    led = LEAVERS * EACH
    numbers = (n for n in range(led + 1, CUSTOMERS + 1) if n % GUIDES < SHOWN and n % MISSING)
    return sorted((f"Guide{n % GUIDES}", n) for n in numbers)


class Wecom(BaseHTTPRequestHandler):
    """One connection; the path says what is asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    follows = shown_follows()

    def do_POST(self) -> None:
        """Answer with JSON."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self._answer(self.path.partition("?")[0], json.loads(body or "{}"))
        told = json.dumps({"errcode": 0, "errmsg": "ok", **answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_GET(self) -> None:
        """Answer likewise."""
        self.do_POST()

    def _answer(self, path: str, asked: Json) -> Json:
        match path.rpartition("cgi-bin/")[2]:
            case "gettoken":
                return {"access_token": "bench", "expires_in": 7200}
            case "externalcontact/get_follow_user_list":
                return {"follow_user": [f"Guide{n}" for n in range(SHOWN)]}
            case "externalcontact/batch/get_by_user":
                return self._page(int(asked.get("cursor") or 0), asked["limit"])
            case "externalcontact/get":
                return {"errcode": NO_RELATION, "errmsg": "not external contact"}
            case "user/get":
                return {"errcode": NO_MEMBER, "errmsg": "userid not found"}
        return {"is_last": True}  # no tags, nobody left behind, no group chats

    def _page(self, start: int, limit: int) -> Json:
        rows = self.follows[start : start + limit]
        end = start + len(rows)
        return {
            "external_contact_list": [_row(*row) for row in rows],
            "next_cursor": str(end) if end < len(self.follows) else "",
        }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing per request."""


def _row(userid: str, n: int) -> Json:
    return {
        "external_contact": {"external_userid": f"wm{n}", "name": f"Customer {n}", "type": 1},
        "follow_info": {"userid": userid, "createtime": 1_700_000_000, "add_way": 1},
    }


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Wecom) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()
