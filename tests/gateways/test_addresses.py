"""Which addresses may be connected to."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways.elasticsearch.addresses import NEVER, BadAddress, check_address, check_shape

NAMES = {
    "es1": ["10.20.1.5"],
    "both": ["10.20.1.5", "10.20.1.6"],
    "mixed": ["10.20.1.5", "169.254.169.254"],
    "here": ["127.0.0.1", "::1"],
    "away": ["93.184.216.34"],
}


def resolve(host: str, port: int) -> list[str]:
    if host in NAMES:
        return NAMES[host]
    try:
        return [str(ip_address(host.partition("%")[0]))]
    except ValueError:
        raise OSError(f"{host} is not known") from None


def check(url: str, *, allow_http: bool = False, networks: tuple[str, ...] = ()) -> None:
    check_address(url, allow_http=allow_http, networks=networks, resolve=resolve)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("https://es1:9200", {}),
        ("https://both:9200/prefix", {"networks": ("10.20.0.0/16",)}),
        ("https://away:443", {}),
        ("https://[::1]:9200", {}),
        ("http://here:9200", {}),
        ("http://127.8.9.1:9200", {}),
        ("http://es1:9200", {"allow_http": True}),
        ("https://127.0.0.1:9200", {"networks": ("127.0.0.0/8",)}),
        ("https://10.20.1.5:9200", {"networks": ("10.20.1.77/24",)}),
    ],
)
def test_good_addresses_pass(url, options):
    assert check(url, **options) is None


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("http://es1:9200", {}, "clear text"),
        ("https://mixed:9200", {}, "metadata"),
        ("https://169.254.169.254:80", {}, "metadata"),
        ("https://[::ffff:169.254.169.254]:9200", {}, "metadata"),
        ("https://[fe80::1%25eth0]:9200", {}, "metadata"),
        ("https://100.100.100.200:80", {}, "metadata"),
        ("https://[fd00:ec2::254]:80", {}, "metadata"),
        ("https://[64:ff9b::a9fe:a9fe]:80", {}, "metadata"),
        ("https://0.0.0.0:9200", {}, "reserved"),
        ("https://224.0.0.1:9200", {}, "multicast"),
        ("https://away:9200", {"networks": ("10.20.0.0/16",)}, "outside the networks"),
        ("https://127.0.0.1:9200", {"networks": ("10.20.0.0/16",)}, "outside the networks"),
        ("https://[::ffff:93.184.216.34]:9200", {"networks": ("10.20.0.0/16",)}, "outside the networks"),
        ("https://nosuch:9200", {}, "not known to this machine"),
        ("https://u:p@es1:9200", {}, "their own fields"),
        ("https://@es1:9200", {}, "their own fields"),
        ("https://es1", {}, "names no port"),
        ("https://es1:0", {}, "names no port"),
        ("https://es1:99999", {}, "is not an address"),
        ("https://[es1:9200", {}, "is not an address"),
        ("ftp://es1:9200", {}, "not a web address"),
        ("es1:9200", {}, "not a web address"),
        ("file:///etc/passwd", {}, "not a web address"),
        ("", {}, "not a web address"),
        ("https://es1:9200?x=1", {}, "more than a host"),
        ("https://es1:9200#x", {}, "more than a host"),
        ("https://es1:9200/../x", {}, "more than a host"),
        ("https://es1:9200\r\nX: y", {}, "control character"),
        ("https://\\es1:9200", {}, "backslash"),
        ("https://es1 :9200", {}, "space"),
    ],
)
def test_bad_addresses_are_explained(url, options, words):
    with pytest.raises(BadAddress, match=words):
        check(url, **options)


def test_a_missing_port_is_proposed():
    with pytest.raises(BadAddress, match="https://es1:9200/es"):
        check_shape("https://es1/es")
    with pytest.raises(BadAddress, match=r"https://\[::1\]:9200"):
        check_shape("https://[::1]")


@given(st.sampled_from(NEVER), st.data())
def test_nothing_inside_a_forbidden_network_is_allowed(network, data):
    number = data.draw(st.integers(int(network.network_address), int(network.broadcast_address)))
    address = ip_address(number) if network.version == 4 else ip_address(number.to_bytes(16))
    host = f"[{address}]" if network.version == 6 else str(address)
    with pytest.raises(BadAddress):
        check(f"https://{host}:9200", allow_http=True, networks=("0.0.0.0/0", "::/0"))


@given(st.ip_addresses(v=4))
def test_an_address_inside_an_ipv6_one_is_seen(address):
    try:
        check(f"https://{address}:9200", networks=("10.0.0.0/8",))
        plain = True
    except BadAddress:
        plain = False
    try:
        check(f"https://[::ffff:{address}]:9200", networks=("10.0.0.0/8",))
        wrapped = True
    except BadAddress:
        wrapped = False
    assert plain == wrapped == (address in ip_network("10.0.0.0/8"))


@given(st.text(max_size=60))
def test_whatever_is_typed_is_good_or_explained(text):
    try:
        parts = check_shape(text)
    except BadAddress as error:
        explained = bool(error.message)
    else:
        explained = bool(parts.hostname and parts.port) and parts.username is None
    assert explained
