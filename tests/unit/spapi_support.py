"""A few lines of HTTP that speak to the fake: no code of the client's, none of the fake's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import jsonschema

from amazon_ae.testing import FakeSpApi

MARKETPLACE = "A2VIGQ35RCS4UG"
API = "https://sellingpartnerapi-eu.amazon.com"
AGENT = "WarehouseTests/1.0 (Language=Python/3.11)"


class Caller:
    """Calls operations by path, with a token it fetches itself; remembers every exchange."""

    def __init__(self, fake: FakeSpApi) -> None:
        self.fake = fake
        self.http = httpx.AsyncClient(transport=fake)
        self.token: str | None = None
        self.seen: list[tuple[str, str, httpx.Response]] = []

    async def sign_in(self, **changes: str) -> httpx.Response:
        given = self.fake.credentials
        form = {
            "grant_type": "refresh_token",
            "refresh_token": given.refresh_token,
            "client_id": given.client_id,
            "client_secret": given.client_secret,
            **changes,
        }
        answer = await self.http.post("https://api.amazon.com/auth/o2/token", data=form)
        if answer.status_code == 200:
            self.token = answer.json()["access_token"]
        return answer

    async def __call__(self, method: str, path: str, body: Any = None, /, **query: Any) -> httpx.Response:
        if self.token is None:
            await self.sign_in()
        text = urlencode({name: ",".join(v) if isinstance(v, list) else v for name, v in query.items()})
        headers = {"user-agent": AGENT, "x-amz-access-token": self.token or ""}
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(body)
        url = f"{API}{path}" + (f"?{text}" if text else "")
        answer = await self.http.request(method, url, headers=headers, content=content)
        self.seen.append((method, path, answer))
        return answer

    async def patch(self, sku: str, quantity: int, *, op: str = "merge", **more: Any) -> httpx.Response:
        query = {name: more.pop(name) for name in ("mode", "includedData") if name in more}
        value = {"fulfillment_channel_code": "DEFAULT", "quantity": quantity, **more}
        patch = {"op": op, "path": "/attributes/fulfillment_availability", "value": [value]}
        path = f"/listings/2021-08-01/items/{self.fake.credentials.seller_id}/{quote(sku, safe='')}"
        body = {"productType": "PRODUCT", "patches": [patch]}
        return await self("PATCH", path, body, marketplaceIds=MARKETPLACE, issueLocale="en_US", **query)

    async def listing(self, sku: str, *included: str) -> httpx.Response:
        path = f"/listings/2021-08-01/items/{self.fake.credentials.seller_id}/{quote(sku, safe='')}"
        more = {"includedData": list(included)} if included else {}
        return await self("GET", path, marketplaceIds=MARKETPLACE, **more)

    async def upload(self, content: bytes, content_type: str = "application/json; charset=UTF-8") -> str:
        """Steps 1 and 2 of a feed; the document's id."""
        made = (await self("POST", "/feeds/2021-06-30/documents", {"contentType": content_type})).json()
        answer = await self.http.put(made["url"], content=content, headers={"Content-Type": content_type})
        assert answer.status_code == 200, answer.text
        return str(made["feedDocumentId"])

    async def feed(self, content: bytes, feed_type: str = "JSON_LISTINGS_FEED", **more: Any) -> str:
        """Steps 1 to 3; the feed's id."""
        kind = "application/json; charset=UTF-8" if feed_type.startswith("JSON") else "text/xml; charset=UTF-8"
        document = await self.upload(content, kind)
        body = {"feedType": feed_type, "marketplaceIds": [MARKETPLACE], "inputFeedDocumentId": document, **more}
        answer = await self("POST", "/feeds/2021-06-30/feeds", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["feedId"])

    async def get_feed(self, feed_id: str) -> dict[str, Any]:
        return dict((await self("GET", f"/feeds/2021-06-30/feeds/{feed_id}")).json())

    async def document(self, document_id: str, kind: str = "feeds") -> bytes:
        """A result document, unpacked."""
        import gzip

        answer = await self("GET", f"/{kind}/2021-06-30/documents/{document_id}")
        assert answer.status_code == 200, answer.text
        content = (await self.http.get(answer.json()["url"])).content
        return gzip.decompress(content) if answer.json().get("compressionAlgorithm") == "GZIP" else content


def stock_feed(*rows: tuple[str, int], seller_id: str = "A1SANDBOXSELLER", **header: Any) -> bytes:
    """A JSON_LISTINGS_FEED of quantities."""
    messages = [
        {
            "messageId": number,
            "sku": sku,
            "operationType": "PATCH",
            "productType": "PRODUCT",
            "patches": [
                {
                    "op": "merge",
                    "path": "/attributes/fulfillment_availability",
                    "value": [{"fulfillment_channel_code": "DEFAULT", "quantity": quantity}],
                }
            ],
        }
        for number, (sku, quantity) in enumerate(rows, start=1)
    ]
    head = {"sellerId": seller_id, "version": "2.0", "issueLocale": "en_US", **header}
    return json.dumps({"header": head, "messages": messages}).encode()


def documents_feed(*order_ids: str, seller_id: str = "A1SANDBOXSELLER") -> bytes:
    """A POST_EASYSHIP_DOCUMENTS feed."""
    rows = "".join(
        f"<Message><MessageID>{number}</MessageID><EasyShipDocument><AmazonOrderID>{order_id}</AmazonOrderID>"
        "<DocumentType>ShippingLabel</DocumentType></EasyShipDocument></Message>"
        for number, order_id in enumerate(order_ids, start=1)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><AmazonEnvelope><Header><DocumentVersion>1.01</DocumentVersion>'
        f"<MerchantIdentifier>{seller_id}</MerchantIdentifier></Header><MessageType>EasyShipDocument</MessageType>"
        f"{rows}</AmazonEnvelope>"
    ).encode()


class Judge:
    """Validates requests and answers against Amazon's OpenAPI 2.0 models."""

    def __init__(self, folder: Path) -> None:
        self._models = [json.loads(path.read_text()) for path in sorted((folder / "models").glob("*.json"))]

    def check(self, method: str, path: str, status: int, body: Any) -> str:
        """Validate an answer; the operation's name.

        Raises:
            AssertionError: no model has this path, or this status.
            jsonschema.ValidationError: the body breaks the model's schema.
        """
        for model in self._models:
            for template, operations in model["paths"].items():
                operation = operations.get(method.lower())
                if operation is not None and _fits(template, path):
                    response = operation["responses"].get(str(status))
                    assert response is not None, f"{operation['operationId']} has no answer {status} in its model"
                    if "schema" in response:
                        self._validate(model, response["schema"], body)
                    return str(operation["operationId"])
        raise AssertionError(f"no model has {method} {path}")

    @staticmethod
    def _validate(model: dict[str, Any], schema: dict[str, Any], body: Any) -> None:
        # OpenAPI 2.0 keeps its schemas under "definitions", as JSON Schema draft 4 does.
        whole = {**schema, "definitions": model["definitions"]}
        validator = jsonschema.Draft4Validator(whole, format_checker=jsonschema.FormatChecker())
        validator.validate(body)


def _fits(template: str, path: str) -> bool:
    names, parts = template.split("/"), path.split("/")
    return len(names) == len(parts) and all(
        name == part or (name.startswith("{") and part) for name, part in zip(names, parts, strict=True)
    )
