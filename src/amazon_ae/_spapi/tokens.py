"""Tokens 2021-03-01: restricted data tokens.

Source: ``tokens_2021-03-01.json``; "Tokens API use case guide".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from amazon_ae._exceptions import UnreadableResponse
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.models import RestrictedToken
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.values import integer, node, text
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Tokens"]


class Tokens:
    """Restricted data tokens of one seller."""

    def __init__(self, calls: SpApiExecutor) -> None:
        self._calls = calls

    async def restricted(
        self, method: str, path: str, *, wait: bool = True, deadline: datetime | timedelta | None = None
    ) -> RestrictedToken:
        """createRestrictedDataToken for one operation.

        Args:
            method: of the operation, e.g. ``"POST"``.
            path: its concrete path, without the host.

        Raises:
            InvalidRequest: the application has no access to it: its role is missing, or the seller authorised the
                application before the role was added.
            AmazonAeError: as every call.
        """
        body = {"restrictedResources": [{"method": method, "path": path}]}
        call = SpApiCall(row=find_operation("createRestrictedDataToken"), body=body)
        return await self._calls.json(call, _read_token, WaitPolicy(wait=wait, deadline=deadline))


def _read_token(body: Any, meta: ResponseMeta) -> RestrictedToken:
    found = node(body)
    if text(found.get("restrictedDataToken")) is None:
        del body, found
        raise UnreadableResponse("createRestrictedDataToken: an answer without token", request_id=meta.request_id)
    return RestrictedToken(
        value=text(found.get("restrictedDataToken")) or "", expires_in_seconds=integer(found.get("expiresIn")) or 3600
    )
