"""Sellers v1 and Tokens 2021-03-01.

Sources: the models; "Tokens API use case guide" (which operations are restricted; report documents need a concrete
path).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from amazon_ae.testing._spapi.access import operation_of_resource
from amazon_ae.testing._spapi.account import Account
from amazon_ae.testing._spapi.order_data import SHIPPING
from amazon_ae.testing._spapi.wire import Reply, Request, invalid

__all__ = ["OPERATIONS"]

_LANGUAGES: Final = {"AE": "en_AE", "SA": "ar_AE", "EG": "ar_AE"}
_RESTRICTED: Final = frozenset(("createScheduledPackageBulk", "getReportDocument"))
_MAX_RESOURCES: Final = 50


def get_marketplace_participations(account: Account, request: Request) -> Reply:
    """getMarketplaceParticipations. No answer has the seller's id."""
    del request
    return Reply(200, {"payload": _participations(account)})


def get_account(account: Account, request: Request) -> Reply:
    """getAccount."""
    del request
    return Reply(
        200,
        {
            "payload": {
                "businessType": "PRIVATE_LIMITED",
                "sellingPlan": "PROFESSIONAL",
                "marketplaceParticipationList": _participations(account),
            }
        },
    )


def create_restricted_data_token(account: Account, request: Request) -> Reply:
    """createRestrictedDataToken."""
    rows = request.member("restrictedResources", list)
    if len(rows) > _MAX_RESOURCES:
        raise invalid(f"restrictedResources has more than {_MAX_RESOURCES} entries.")
    resources = set()
    for row in rows:
        method, path = (row.get("method"), row.get("path")) if isinstance(row, dict) else (None, None)
        operation = operation_of_resource(str(method), str(path))
        if operation is None or operation.name not in _RESTRICTED:
            raise invalid("A restricted resource is not valid.", f"{method} {path}")
        if operation.name == "getReportDocument" and "{" in str(path):
            raise invalid("A restricted resource is not valid.", "getReportDocument needs the document's own path.")
        if SHIPPING not in account.access.roles:
            raise invalid("Application does not have access to one or more requested data elements.")
        resources.add((str(method), str(path)))
    return Reply(200, account.access.restricted(request.application, frozenset(resources), request.now))


OPERATIONS: Final[dict[str, Callable[[Account, Request], Reply]]] = {
    "getMarketplaceParticipations": get_marketplace_participations,
    "getAccount": get_account,
    "createRestrictedDataToken": create_restricted_data_token,
}


def _participations(account: Account) -> list[dict[str, Any]]:
    marketplace = account.seller.marketplace
    return [
        {
            "marketplace": {
                "id": marketplace.marketplace_id,
                "name": marketplace.sales_channel,
                "countryCode": marketplace.code,
                "defaultCurrencyCode": marketplace.currency,
                "defaultLanguageCode": _LANGUAGES.get(marketplace.code, "en_US"),
                "domainName": f"www.{marketplace.sales_channel.lower()}",
            },
            "storeName": "Sandbox store",
            "participation": {"isParticipating": True, "hasSuspendedListings": False},
        }
    ]
