"""A request as it arrives, before anything is checked, and what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import attrs
import httpx

from amazon_ae.testing._spapi.documents import BUCKET_PATH
from amazon_ae.testing._spapi.plans import DOCUMENT_OPERATIONS, TOKEN_OPERATION, Operation, find_operation

__all__ = ["SeenSpApiRequest", "Visit", "wire_url"]

_TOKEN_PATH: Final = "/auth/o2/token"


@attrs.frozen(kw_only=True)
class SeenSpApiRequest:
    """One request that reached Amazon.

    Attributes:
        operation: its name, e.g. ``"patchListingsItem"``; ``""`` for a path that does not exist.
        kind: ``"api"``, ``"lwa"`` or ``"s3"``.
        at: when, on the fake's clock.
        status: of the answer, whether or not the answer arrived.
        code: the error's code; ``""`` for a good answer.
        path: as it was sent.
        parameters: path and query parameters, without those of a pre-signed URL.
        body: the JSON document of an API request; tokens and uploads are not kept.
        answered: false where a fault lost the answer on its way back.
    """

    operation: str
    kind: str
    at: datetime
    status: int
    code: str = ""
    path: str = attrs.field(default="", repr=False)
    parameters: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: Any = attrs.field(default=None, repr=False)
    client_id: str = ""
    answered: bool = True


@attrs.frozen(kw_only=True)
class Visit:
    """A request taken apart, before anything is checked."""

    kind: str
    name: str
    operation: Operation | None
    method: str
    url: str = attrs.field(repr=False)
    origin: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    headers: dict[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, method: str, url: str, headers: dict[str, str], body: bytes) -> Visit:
        """Take a request apart."""
        split = urlsplit(url)
        kind, name = _host_of(method, split.hostname or "", split.path)
        found = find_operation(method, split.path) if kind == "api" else None
        query: dict[str, str] = {}
        for key, value in parse_qsl(split.query, keep_blank_values=True) if kind == "api" else ():
            query[key] = f"{query[key]},{value}" if key in query else value
        return cls(
            kind=kind,
            name=found[0].name if found else name,
            operation=found[0] if found else None,
            method=method,
            url=url,
            origin=f"{split.scheme}://{split.netloc}",
            path=split.path,
            parts=found[1] if found else {},
            query=query,
            headers=headers,
            body=body,
        )

    @property
    def parameters(self) -> dict[str, str]:
        """Path and query parameters."""
        return {**self.parts, **self.query}

    @property
    def feed_type(self) -> str | None:
        """The feed type of a createFeed."""
        given = self.document() if self.name == "createFeed" else None
        value = given.get("feedType") if isinstance(given, dict) else None
        return value if isinstance(value, str) else None

    def document(self) -> Any:
        """The JSON body; ``None`` where there is none that can be read."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return None


def _host_of(method: str, host: str, path: str) -> tuple[str, str]:
    """Which of the three hosts a request is for, and the operation's name where the host has only one for a method."""
    if path == _TOKEN_PATH and method == "POST":
        return "lwa", TOKEN_OPERATION
    if host.endswith(".amazonaws.com") or path.startswith(BUCKET_PATH):
        return "s3", DOCUMENT_OPERATIONS[0 if method == "PUT" else 1]
    return "api", ""


def wire_url(request: httpx.Request) -> str:
    """The URL as it is sent: nothing is unquoted, nothing quoted again."""
    url = request.url
    return f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode('ascii')}"
