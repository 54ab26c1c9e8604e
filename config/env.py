"""Typed readers of the environment that fail loudly. Standard library only."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from connectors.channels import Variable


class BadSetting(Exception):
    """A variable of the environment is missing or makes no sense; the text names it."""


def text(name: str, default: str | None = None) -> str:
    """The variable `name`, or the content of the file that `<name>_FILE` names, or `default`.

    Raises `BadSetting` when there is none of the three, or when the file cannot be read.
    """
    if value := os.environ.get(name):
        return value
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadSetting(f"{name}_FILE: {file} cannot be read ({error.strerror}).") from error
    if default is None:
        raise BadSetting(f"{name} must be set.")
    return default


def flag(name: str, *, default: bool) -> bool:
    """`true` or `false` (also 1/0, yes/no, on/off). Raises `BadSetting` for anything else."""
    value = text(name, "true" if default else "false").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name} must be true or false, not {value!r}.")


def number(name: str, default: int, *, least: int = 0) -> int:
    """A whole number of at least `least`. Raises `BadSetting` for anything else."""
    value = text(name, str(default))
    try:
        found = int(value)
    except ValueError as error:
        raise BadSetting(f"{name} must be a whole number, not {value!r}.") from error
    if found < least:
        raise BadSetting(f"{name} must be at least {least}, not {found}.")
    return found


def declared(variables: "Iterable[Variable]") -> dict[str, Any]:
    """Settings by the variables that a channel declares. Raises `BadSetting`."""
    return {
        one.called: number(one.name, one.default, least=one.least)
        if isinstance(one.default, int)
        else text(one.name, one.default)
        for one in variables
    }


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list without blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def topics(name: str) -> list[str]:
    """ARNs of Amazon SNS topics, separated by commas. Raises `BadSetting` for anything else."""
    found = words(name)
    if not all(one.startswith(("arn:aws:sns:", "arn:aws-cn:sns:")) for one in found):
        raise BadSetting(f"{name} must look like arn:aws:sns:eu-west-1:123456789012:name.")
    return found


def quota(name: str, default: str) -> tuple[str, int]:
    """`month:30`, `week:7`, `day:1` or only `month` as period and count; 0 when none is given.

    Raises `BadSetting` for anything else.
    """
    value = text(name, default)
    period, _, count = value.replace(",", ":").partition(":")
    if period not in {"month", "week", "day"} or not (count or "0").isdecimal():
        raise BadSetting(f"{name} must look like month:30, week:7, day:1 or month, not {value!r}.")
    return period, int(count or "0")


def database(name: str, default: str | None = None) -> dict[str, Any]:
    """A `postgres://` URL as Django's `DATABASES` entry.

    The host may be a directory with a socket: `postgres://user@/name?host=/path` or `%2Fpath`.
    Other query arguments (`sslmode=…`) go to the driver. Raises `BadSetting` for other schemes.
    """
    url = urlsplit(text(name, default))
    if url.scheme not in {"postgres", "postgresql"} or not url.path.strip("/"):
        raise BadSetting(f"{name} must look like postgres://user:password@host:5432/name.")
    options = dict(parse_qsl(url.query))
    # Not url.hostname: that lowercases, and a socket's directory keeps its case.
    host = url.netloc.rpartition("@")[2]
    if url.port is not None:
        host = host.rpartition(":")[0]
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path[1:]),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": options.pop("host", "") or unquote(host).strip("[]"),
        "PORT": str(url.port or options.pop("port", "")),
        "OPTIONS": options,
    }


def redis(name: str, default: str | None = None) -> tuple[str, str]:
    """A Redis or Valkey URL in its two dialects: for Django's cache and for Celery's broker.

    Sockets are `unix:///path?db=0` to redis-py and `redis+socket:///path?virtual_host=0` to
    Celery; `redis://` and `rediss://` are the same to both. Raises `BadSetting` for others.
    """
    value = text(name, default)
    url = urlsplit(value)
    if url.scheme in {"redis", "rediss"} and url.hostname:
        return value, value
    if url.scheme in {"unix", "redis+socket"} and url.path.startswith("/"):
        query = dict(parse_qsl(url.query))
        number_ = query.get("db") or query.get("virtual_host") or "0"
        return (
            f"unix://{url.path}?db={number_}",
            f"redis+socket://{url.path}?virtual_host={number_}",
        )
    raise BadSetting(f"{name} must look like redis://host:6379/0 or unix:///path/to/socket.")


def mail(name: str) -> dict[str, Any]:
    """`smtp://`, `smtp+tls://` (STARTTLS) or `smtps://` as Django's mail settings.

    Without the variable mails are written to the log. Raises `BadSetting` for other schemes.
    """
    value = text(name, "")
    if not value:
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    url = urlsplit(value)
    if url.scheme not in {"smtp", "smtp+tls", "smtps"} or not url.hostname:
        raise BadSetting(f"{name} must look like smtp+tls://user:password@host:587.")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": url.hostname,
        "EMAIL_PORT": url.port or {"smtp": 25, "smtp+tls": 587, "smtps": 465}[url.scheme],
        "EMAIL_HOST_USER": unquote(url.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(url.password or ""),
        "EMAIL_USE_TLS": url.scheme == "smtp+tls",
        "EMAIL_USE_SSL": url.scheme == "smtps",
        "EMAIL_TIMEOUT": 10,
    }


def mailbox(name: str) -> str:
    """`imaps://`, `imap+tls://` (STARTTLS), or `imap://` on this machine; empty if there is none.

    Raises `BadSetting` for other schemes, without a user, or for an open line to another machine.
    """
    value = text(name, "")
    if not value:
        return ""
    url = urlsplit(value)
    if url.scheme not in {"imap", "imap+tls", "imaps"} or not url.hostname or not url.username:
        raise BadSetting(f"{name} must look like imaps://user:password@host/INBOX.")
    if url.scheme == "imap" and url.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise BadSetting(f"{name} must be imaps:// or imap+tls:// for another machine.")
    if not unquote(value).isascii():
        raise BadSetting(f"{name} must be plain ASCII.")
    return value
