"""The value of `--listen`: which addresses a server may have.

Source: exec-server 0.169.0, observed, for the forms and texts.
Differs: addresses beyond loopback are refused, because there is no authentication yet (DIFFERENCES.md row 16).
"""

from __future__ import annotations

import ipaddress

from ..server.listener import Address

DEFAULT = "ws://127.0.0.1:0"
_MAX_PORT = 65535


class ListenUrlError(ValueError):
    """The value is no address a server may have; the text says why."""


def parse(url: str) -> Address:
    """Read `ws://IP:PORT`; an IPv6 address stands in brackets.

    Raises:
        ListenUrlError: it is none, or not on this machine only.
    """
    if not url.startswith("ws://"):
        raise ListenUrlError(f"unsupported --listen URL `{url}`; expected `ws://IP:PORT`")
    host, _, port = url.removeprefix("ws://").rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        raise _invalid(url) from None
    bracketed = host.startswith("[") and host.endswith("]")
    is_number = port.isascii() and port.isdigit() and len(port) <= len(str(_MAX_PORT))
    if bracketed != (ip.version == 6) or not is_number or int(port) > _MAX_PORT:
        raise _invalid(url)
    if not ip.is_loopback:
        raise ListenUrlError(
            f"refusing to listen on {bare}: there is no authentication yet, and whoever reaches the port owns this "
            "account; listen on 127.0.0.1 or [::1] and bring clients in through ssh"
        )
    return Address(bare, int(port))


def _invalid(url: str) -> ListenUrlError:
    return ListenUrlError(f"invalid websocket --listen URL `{url}`; expected `ws://IP:PORT`")
