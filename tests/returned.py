"""Mails as mail servers send them back, for any letter of ours."""

from email.message import EmailMessage

SENDER = "news@shop.example"


def original(mark: str, *, body: str = "Our spring coats are here.") -> str:
    """The letter that went out; ``mark`` is what stands in its Message-ID in front of the @."""
    return (
        f"From: Shop <{SENDER}>\r\nTo: chen@mail.example\r\nSubject: Spring\r\n"
        f"Message-ID: <{mark}@shop.example>\r\nMIME-Version: 1.0\r\n"
        f"List-Unsubscribe: <https://crm.shop.example/u/abc>\r\n"
        f"Content-Type: text/plain; charset=us-ascii\r\n\r\n{body}\r\n"
    )


def report(
    status: str,
    returned: str,
    *,
    head: str = "From: MAILER-DAEMON@mx.mail.example (Mail Delivery System)",
    words: str = "This is the mail system at host mx.mail.example.",
    returned_type: str = "message/rfc822",
    kind: str = "delivery-status",
) -> bytes:
    """A ``multipart/report`` of three parts."""
    return (
        f"{head}\r\nTo: {SENDER}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Date: Mon, 02 Mar 2026 03:59:00 +0000\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="=_b"\r\n\r\n'
        f"--=_b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{words}\r\n"
        f"--=_b\r\nContent-Type: message/{kind}\r\n\r\n{status}\r\n"
        f"--=_b\r\nContent-Type: {returned_type}\r\n\r\n{returned}\r\n--=_b--\r\n"
    ).encode()


def status_of(
    *, action: str = "failed", status: str = "5.1.1", diagnostic: str = "smtp; 550 no such user"
) -> str:
    """The machine's part of a bounce, as Postfix writes it."""
    return (
        "Reporting-MTA: dns; mx.mail.example\r\nX-Postfix-Queue-ID: 4F2A1\r\n\r\n"
        "Final-Recipient: rfc822; chen@mail.example\r\n"
        "Original-Recipient: rfc822;chen@mail.example\r\n"
        f"Action: {action}\r\nStatus: {status}\r\nRemote-MTA: dns; mx.mail.example\r\n"
        f"Diagnostic-Code: {diagnostic}\r\n"
    )


def postfix(mark: str, *, status: str = "5.1.1", action: str = "failed") -> bytes:
    """A bounce of Postfix."""
    return report(status_of(action=action, status=status), original(mark))


def complaint(mark: str, *, feedback: str = "abuse") -> bytes:
    """A complaint of a mail service (RFC 5965)."""
    return report(
        f"Feedback-Type: {feedback}\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n"
        f"Original-Mail-From: <{SENDER}>\r\nArrival-Date: Mon, 2 Mar 2026 03:00:00 +0000\r\n"
        "Source-IP: 192.0.2.1\r\n",
        original(mark),
        head="From: <abusedesk@mail.example>",
        words="This is an email abuse report.",
        kind="feedback-report",
    )


def wish(mark: str) -> bytes:
    """What a mail programme sends for the ``mailto:`` in ``List-Unsubscribe``."""
    return (
        f"From: Chen <chen@mail.example>\r\nTo: {SENDER}\r\nSubject: unsubscribe {mark}\r\n"
        "Date: Mon, 02 Mar 2026 03:59:00 +0000\r\n\r\n"
    ).encode()


def note(subject: str = "Re: Spring", text: str = "Do you have it in blue?") -> bytes:
    """A mail that a person wrote."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "chen@mail.example", SENDER, subject
    mail.set_content(text)
    return mail.as_bytes()


def answer(
    mark: str,
    text: str = "Do you have it in blue?\n",
    *,
    html: str = "",
    subject: str = "Re: Spring",
    **headers: str,
) -> bytes:
    """A mail with which somebody answers a letter; ``headers`` are written with ``_`` for ``-``."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Chen <chen@mail.example>", SENDER, subject
    mail["Date"] = "Mon, 02 Mar 2026 03:59:00 +0000"
    mail["In-Reply-To"] = mail["References"] = f"<{mark}@shop.example>"
    for name, value in headers.items():
        del mail[name.replace("_", "-")]
        mail[name.replace("_", "-")] = value
    if text:
        mail.set_content(text)
    if html and text:
        mail.add_alternative(html, subtype="html")
    elif html:
        mail.set_content(html, subtype="html")
    return mail.as_bytes()
