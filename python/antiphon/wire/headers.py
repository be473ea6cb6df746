"""Which headers a client may add to a request, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from antiphon.errors import ConnectError

__all__ = ["check_header_names"]

# What a token is not made of: RFC 9110, section 5.6.2.
_STRANGE = re.compile(r"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
# RFC 6455, section 4.1; another Host is against RFC 9112, section 3.2.
_HANDSHAKE = ("host", "connection", "upgrade")


def check_header_names(names: Iterable[str], refusal: str) -> None:
    """Refuse what no header can be called, and what the WebSocket handshake has itself.

    A name that cannot be one is not shown: somebody may have written a whole header there.

    Args:
        names: Of the headers that are to be added.
        refusal: How the message begins.

    Raises:
        ConnectError: One of them cannot be sent.
        TypeError: One of them is no string.
    """
    for name in names:
        if not isinstance(name, str):
            kind = type(name).__name__
            raise TypeError(f"{refusal}: the name of one is of type {kind}; it must be a string.")
        if not name:
            what, hint = "the name of a header is empty", "Give it one."
        elif strange := _STRANGE.search(name):
            what = f"the name of a header has {strange[0]!r} in it"
            hint = "Use letters, digits and hyphens."
        elif name.lower() in _HANDSHAKE or name.lower().startswith("sec-websocket-"):
            what = f"{name} is a header of the WebSocket handshake itself"
            hint = "Leave it out; the host is that of base_url."
        else:
            continue
        raise ConnectError(f"{refusal}: {what}. {hint}", cause="argument", hint=hint)
