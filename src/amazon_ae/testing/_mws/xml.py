"""Writing XML: escaped by construction, in the order in which it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

__all__ = ["element", "error", "flag", "leaf", "response"]

# Characters that XML 1.0 cannot hold arrive as U+FFFD (developer guide, "Response format").
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def leaf(name: str, value: object | None) -> str:
    """``<Name>value</Name>``; nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        value = flag(value)
    text = _ILLEGAL.sub("�", str(value))
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"


def element(name: str, *children: str) -> str:
    """``<Name>children</Name>``; the children are XML already."""
    inner = "".join(children)
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"


def flag(value: bool) -> str:
    """``true`` or ``false``."""
    return "true" if value else "false"


def response(action: str, namespace: str, result: str, request_id: str) -> bytes:
    """A good answer in the documented envelope."""
    return (
        f'<?xml version="1.0"?>\n<{action}Response xmlns="{namespace}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def error(rows: Iterable[tuple[str, str, str]], *, namespace: str | None, request_id: str, legacy_id: bool) -> bytes:
    """An error answer; ``rows`` are (type, code, message)."""
    xmlns = f' xmlns="{namespace}"' if namespace else ""
    errors = "".join(
        element("Error", leaf("Type", kind), leaf("Code", code), leaf("Message", message), "<Detail/>")
        for kind, code, message in rows
    )
    # Both spellings are recorded.
    name = "RequestID" if legacy_id else "RequestId"
    return (
        f'<?xml version="1.0"?>\n<ErrorResponse{xmlns}>{errors}<{name}>{request_id}</{name}></ErrorResponse>'.encode()
    )
