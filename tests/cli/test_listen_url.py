"""Which addresses a server may have."""

from __future__ import annotations

import pytest

from codex_py.cli.listen_url import DEFAULT, ListenUrlError, parse
from codex_py.server.listener import Address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (DEFAULT, Address("127.0.0.1", 0)),
        ("ws://127.0.0.1:8765", Address("127.0.0.1", 8765)),
        ("ws://127.9.9.9:1", Address("127.9.9.9", 1)),
        ("ws://[::1]:65535", Address("::1", 65535)),
    ],
)
def test_loopback_addresses_are_taken(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize("address", [Address("127.0.0.1", 5), Address("::1", 5)])
def test_an_address_is_written_as_it_is_read(address: Address) -> None:
    assert parse(address.url()) == address


@pytest.mark.parametrize(
    "url",
    [
        "ws://localhost:0",
        "ws://127.0.0.1",
        "ws://127.0.0.1:",
        "ws://127.0.0.1:0/path",
        "ws://127.0.0.1:99999",
        "ws://127.0.0.1:-1",
        "ws://127.0.0.1:+1",
        "ws://127.0.0.1:٣",
        "ws://::1:0",
        "ws://[::1:0",
        "ws://[127.0.0.1]:0",
        "ws://",
        "ws://:0",
    ],
)
def test_what_is_no_ip_and_port_is_refused_in_the_references_words(url: str) -> None:
    with pytest.raises(ListenUrlError) as caught:
        parse(url)
    assert str(caught.value) == f"invalid websocket --listen URL `{url}`; expected `ws://IP:PORT`"


@pytest.mark.parametrize("url", ["http://127.0.0.1:0", "wss://127.0.0.1:0", "WS://127.0.0.1:0", "unix:///x", "off", ""])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(ListenUrlError, match="unsupported --listen URL"):
        parse(url)


@pytest.mark.parametrize("url", ["ws://0.0.0.0:0", "ws://[::]:0", "ws://10.0.0.1:1", "ws://[fe80::1]:0"])
def test_addresses_beyond_this_machine_are_refused_with_the_reason_and_a_way_out(url: str) -> None:
    with pytest.raises(ListenUrlError, match=r"there is no authentication yet.*through ssh"):
        parse(url)
