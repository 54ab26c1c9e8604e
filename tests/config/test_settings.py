"""What an installation becomes by its environment, in a process of its own."""

import json
import subprocess
import sys

import pytest

from config.places import ROOT

SHOW = """
import json, sys
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""
PUBLIC = {"ALLOWED_HOSTS": "crm.example.com", "SECRET_KEY": "k" * 60}


@pytest.fixture
def show(plain_environment, data_dir):
    """Read settings under `extra` variables; a failure returns the last line of the traceback."""

    def show_settings(*names, **extra):
        environment = plain_environment | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LIUKE_DATA_DIR": str(data_dir),
        }
        done = subprocess.run(
            [sys.executable, "-c", SHOW, *names],
            cwd=ROOT, env=environment | extra, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return json.loads(done.stdout) if not done.returncode else done.stderr.splitlines()[-1]

    return show_settings


def test_keys_of_before_still_hold(show):
    assert show("SECRET_KEY_FALLBACKS") == {"SECRET_KEY_FALLBACKS": []}
    found = show("SECRET_KEY_FALLBACKS", SECRET_KEY_FALLBACKS="one, two")
    assert found == {"SECRET_KEY_FALLBACKS": ["one", "two"]}


def test_a_laptop_speaks_http_with_a_key_of_its_own(show, data_dir):
    found = show("DEBUG", "SECRET_KEY", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_NAME")

    assert found == {
        "DEBUG": False,
        "SECRET_KEY": (data_dir / "secret_key").read_text(),
        "SECURE_SSL_REDIRECT": False,
        "SESSION_COOKIE_NAME": "session",
    }


def test_an_installation_that_strangers_reach_must_bring_its_key(show):
    said = show("DEBUG", ALLOWED_HOSTS="crm.example.com")

    assert said == "config.env.BadSetting: SECRET_KEY must be set."


def test_an_installation_that_strangers_reach_is_served_over_https(show):
    found = show(
        "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SESSION_COOKIE_SECURE",
        "SESSION_COOKIE_NAME", "CSRF_TRUSTED_ORIGINS", **PUBLIC,
    )  # fmt: skip

    assert found == {
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-session",
        "CSRF_TRUSTED_ORIGINS": ["https://crm.example.com"],
    }


def test_servers_of_ones_own_replace_the_embedded_ones(show):
    found = show(
        "DATABASES", "CELERY_BROKER_URL",
        DATABASE_URL="postgres://liuke@db:5433/crm", REDIS_URL="redis://broker/3",
    )  # fmt: skip

    assert (found["DATABASES"]["default"]["HOST"], found["DATABASES"]["default"]["NAME"]) == (
        "db",
        "crm",
    )
    assert found["CELERY_BROKER_URL"] == "redis://broker/3"


def test_without_variables_wecom_is_the_real_one_and_silent(show):
    found = show("WECOM_API_URL", "WECOM_CORP_ID", "LIUKE_DEMO")

    assert found == {
        "WECOM_API_URL": "https://qyapi.weixin.qq.com/cgi-bin",
        "WECOM_CORP_ID": "",
        "LIUKE_DEMO": False,
    }


@pytest.mark.parametrize("asked", [False, True])
def test_hsts_speaks_for_neighbours_only_when_asked(show, asked):
    names = ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")

    found = show(*names, **PUBLIC, **({"LIUKE_HSTS_PRELOAD": "true"} if asked else {}))

    assert found == dict.fromkeys(names, asked)


def test_what_keeps_work_from_getting_lost_is_set(settings):
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS

    assert settings.CELERY_TASK_ACKS_LATE
    assert settings.CELERY_TASK_REJECT_ON_WORKER_LOST
    assert settings.CELERY_WORKER_PREFETCH_MULTIPLIER == 1
    assert options["visibility_timeout"] > settings.CELERY_TASK_TIME_LIMIT
    assert (options["unacked_restore_interval"], options["unacked_restore_throttle"]) == (5, 1)
    assert options["socket_timeout"] <= 5
    assert settings.DATABASES["default"]["CONN_HEALTH_CHECKS"]
    assert "statement_timeout=15s" in settings.DATABASES["default"]["OPTIONS"]["options"]


def test_pages_may_load_nothing_from_elsewhere_and_run_nothing_inline(client):
    policy = client.get("/healthz").headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
