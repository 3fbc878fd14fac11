"""GetServiceStatus, which every section has. Pure."""

from __future__ import annotations

from amazon_ae._models.responses import ResponseMeta, ServiceMessage, ServiceStatus
from amazon_ae._mws.parsing import Node, children, instant, required, text

__all__ = ["read_service_status"]


def read_service_status(node: Node, meta: ResponseMeta) -> ServiceStatus:
    """The content of ``<GetServiceStatusResult>``."""
    return ServiceStatus(
        status=required(node, "Status", "a service status"),
        timestamp=instant(node.get("Timestamp")),
        message_id=text(node.get("MessageId")),
        messages=tuple(
            ServiceMessage(locale=text(message.get("Locale")), text=text(message.get("Text")))
            for message in children(node.get("Messages"), "Message")
            if isinstance(message, dict)
        ),
        meta=meta,
    )
