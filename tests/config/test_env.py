"""The readers of the environment: what they accept, and that they refuse the rest loudly."""

import pytest

from config import env


def test_a_secret_can_lie_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("SOME_KEY_FILE", str(tmp_path / "key"))

    assert env.text("SOME_KEY") == "from a file"


def test_the_variable_itself_beats_its_file(monkeypatch, tmp_path):
    monkeypatch.setenv("SOME_KEY", "direct")
    monkeypatch.setenv("SOME_KEY_FILE", str(tmp_path / "absent"))

    assert env.text("SOME_KEY") == "direct"


def test_an_unreadable_secret_file_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("SOME_KEY_FILE", str(tmp_path / "absent"))

    with pytest.raises(env.BadSetting, match=r"SOME_KEY_FILE: .*absent cannot be read"):
        env.text("SOME_KEY", "default")


def test_a_missing_value_without_default_is_named():
    with pytest.raises(env.BadSetting, match="SOME_KEY must be set"):
        env.text("SOME_KEY")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("0", False), ("On", True)])
def test_flags(monkeypatch, value, expected):
    monkeypatch.setenv("SOME_FLAG", value)

    assert env.flag("SOME_FLAG", default=not expected) is expected


def test_a_flag_is_never_guessed(monkeypatch):
    monkeypatch.setenv("SOME_FLAG", "maybe")

    with pytest.raises(env.BadSetting, match="SOME_FLAG must be true or false, not 'maybe'"):
        env.flag("SOME_FLAG", default=False)


@pytest.mark.parametrize("value", ["many", "0", "1.5"])
def test_a_number_is_whole_and_large_enough(monkeypatch, value):
    monkeypatch.setenv("SOME_NUMBER", value)

    with pytest.raises(env.BadSetting, match="SOME_NUMBER"):
        env.number("SOME_NUMBER", 4, least=1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgres://lin:p%40ss@db.example:6432/crm?sslmode=require",
            ("crm", "lin", "p@ss", "db.example", "6432", {"sslmode": "require"}),
        ),
        ("postgres://liuke@/liuke?host=/Run/Pg", ("liuke", "liuke", "", "/Run/Pg", "", {})),
        ("postgresql://liuke@%2FRun%2FPg/liuke", ("liuke", "liuke", "", "/Run/Pg", "", {})),
        ("postgres://[::1]:5433/liuke", ("liuke", "", "", "::1", "5433", {})),
    ],
)
def test_database_urls(monkeypatch, url, expected):
    monkeypatch.setenv("SOME_URL", url)

    found = env.database("SOME_URL")

    names = ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
    assert tuple(found[name] for name in names) == expected


@pytest.mark.parametrize("url", ["mysql://db/crm", "postgres://db.example", "db.example/crm"])
def test_other_databases_are_refused(monkeypatch, url):
    monkeypatch.setenv("SOME_URL", url)

    with pytest.raises(env.BadSetting, match="SOME_URL must look like postgres://"):
        env.database("SOME_URL")


@pytest.mark.parametrize(
    ("url", "cache", "broker"),
    [
        ("redis://broker:6379/1", "redis://broker:6379/1", "redis://broker:6379/1"),
        ("unix:///run/v.sock?db=2", "unix:///run/v.sock?db=2", "redis+socket:///run/v.sock?virtual_host=2"),
        ("redis+socket:///run/v.sock", "unix:///run/v.sock?db=0", "redis+socket:///run/v.sock?virtual_host=0"),
    ],
)  # fmt: skip
def test_a_broker_url_in_both_dialects(monkeypatch, url, cache, broker):
    monkeypatch.setenv("SOME_URL", url)

    assert env.redis("SOME_URL") == (cache, broker)


@pytest.mark.parametrize("url", ["amqp://broker", "redis://", "broker:6379"])
def test_other_brokers_are_refused(monkeypatch, url):
    monkeypatch.setenv("SOME_URL", url)

    with pytest.raises(env.BadSetting, match="SOME_URL must look like redis://"):
        env.redis("SOME_URL")


def test_mail_over_starttls(monkeypatch):
    monkeypatch.setenv("SOME_URL", "smtp+tls://liuke:s%2Fcret@mail.example")

    found = env.mail("SOME_URL")

    assert found["EMAIL_HOST"] == "mail.example"
    assert found["EMAIL_PORT"] == 587
    assert found["EMAIL_HOST_PASSWORD"] == "s/cret"
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (True, False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("month", ("month", 0)), ("week:7", ("week", 7)), ("month,30", ("month", 30))],
)
def test_receive_quotas(monkeypatch, value, expected):
    monkeypatch.setenv("SOME_QUOTA", value)

    assert env.quota("SOME_QUOTA", "month") == expected


@pytest.mark.parametrize("value", ["year:1", "30", "week:many"])
def test_other_quotas_are_refused(monkeypatch, value):
    monkeypatch.setenv("SOME_QUOTA", value)

    with pytest.raises(env.BadSetting, match="SOME_QUOTA must look like month:30"):
        env.quota("SOME_QUOTA", "month")
