"""No address that only this machine or its network reaches is ever called."""

import pytest

from connectors.webhook.addresses import Forbidden, Place, addresses_of, read_url

PUBLIC = "93.184.216.34"

REFUSED = [
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
    "//example.com/", "example.com", "", "https://", "https:///path", "javascript:alert(1)",
    "https://127.0.0.1/", "https://127.1/", "https://0x7f.1/", "https://0x7f000001/",
    "https://2130706433/", "https://0177.0.0.1/", "https://127.0.0.1.:443/", "https://0/",
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[::ffff:8.8.8.8]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[fe80::1%25eth0]/", "https://[fd00::1]/", "https://[fec0::1]/", "https://[ff02::1]/",
    "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/",
    "https://100.100.100.200/", "https://169.254.169.254/latest/meta-data/",
    "https://224.0.0.1/", "https://255.255.255.255/", "https://168.63.129.16/",
    "https://0.0.0.0/", "https://198.18.0.1/", "https://240.0.0.1/",
    "https://example.com:22/", "https://example.com:6379/", "https://example.com:7999/",
    "https://example.com:10000/", "https://example.com:99999/", "https://example.com:0/",
    "https://user@example.com/", "https://user:pass@example.com/", "https://a@b@example.com/",
    "https://example.com#@127.0.0.1/", "https://example.com/#part", "https://example.com\\@evil/",
    "https://exämple.com/", "https://①②⑦.0.0.1/", "https://127。0。0。1/", "https://еxample.com/",
    "https://exa mple.com/", "https://example.com/\n", "https://example.com/\0",
    "https://%31%32%37.0.0.1/", "https://a..b/", "https://-a/", "https://[not-an-ip]/",
    "https://example.com/" + "x" * 500,
]  # fmt: skip

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.31.255.255", "192.168.0.1", "100.127.255.255", "169.254.169.254",
    "0.1.2.3", "224.0.0.1", "::1", "::", "fe80::1", "fd12::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8",
    "::7f00:1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:1::1", "ff02::1", "fec0::1", "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_is_never_called_is_refused_unseen(url):
    with pytest.raises(Forbidden):
        read_url(url)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://example.com", Place(True, "example.com", 443, "/")),
        ("https://EXAMPLE.com/a/b?c=d", Place(True, "example.com", 443, "/a/b?c=d")),
        ("https://hooks.example.com:8443/x", Place(True, "hooks.example.com", 8443, "/x")),
        ("https://xn--exmple-cua.com/", Place(True, "xn--exmple-cua.com", 443, "/")),
        ("https://8.8.8.8/", Place(True, "8.8.8.8", 443, "/")),
        ("https://[2606:4700::1111]/", Place(True, "2606:4700::1111", 443, "/")),
    ],
)
def test_a_public_address_is_taken_apart(url, place):
    assert read_url(url) == place


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://example.com/", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443"),
    ],
)
def test_the_host_header_names_the_host(url, authority):
    assert read_url(url).authority == authority


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_refused(address):
    place = read_url("https://example.com/")

    with pytest.raises(Forbidden):
        addresses_of(place, allow_loopback=False, look_up=lambda host, port: [address])


def test_one_private_address_among_public_ones_is_enough():
    place = read_url("https://example.com/")

    with pytest.raises(Forbidden):
        addresses_of(place, allow_loopback=True, look_up=lambda host, port: [PUBLIC, "127.0.0.1"])


def test_a_name_that_leads_outside_is_called_there():
    place = read_url("https://example.com/")

    found = addresses_of(place, allow_loopback=False, look_up=lambda host, port: [PUBLIC, PUBLIC])

    assert found == [PUBLIC]


def test_plain_http_stays_on_this_machine():
    here = read_url("http://localhost:8000/", allow_loopback=True)

    assert addresses_of(here, allow_loopback=True, look_up=lambda host, port: ["127.0.0.1"])
    with pytest.raises(Forbidden):
        addresses_of(here, allow_loopback=True, look_up=lambda host, port: [PUBLIC])
    with pytest.raises(Forbidden):
        addresses_of(here, allow_loopback=True, look_up=lambda host, port: ["192.168.0.1"])


def test_a_name_without_an_address_is_an_error():
    place = read_url("https://example.com/")

    with pytest.raises(OSError, match="No such host"):
        addresses_of(place, allow_loopback=False, look_up=lambda host, port: [])
