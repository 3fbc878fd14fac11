"""A page of 100 full orders: from XML to values, measured against the parser alone and against the peer ``mws``.

All contestants run interleaved in one process; only ratios are printed, because only they survive a change of machine.
Also measured, in fresh interpreters: what importing this library costs beside importing httpx.

    python benchmarks/bench_orders.py
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import xmltodict

from amazon_ae._models.orders import Order, OrderItem
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._mws.orders import read_item_page, read_order_page
from amazon_ae._mws.parsing import parse

ROUNDS = 30
ORDER = """
<Order><AmazonOrderId>403-{n:07d}-7654321</AmazonOrderId><SellerOrderId>403-{n:07d}-7654321</SellerOrderId>
<PurchaseDate>2021-11-17T08:00:{s:02d}Z</PurchaseDate><LastUpdateDate>2021-11-17T09:00:{s:02d}Z</LastUpdateDate>
<OrderStatus>Unshipped</OrderStatus><FulfillmentChannel>MFN</FulfillmentChannel><SalesChannel>Amazon.ae</SalesChannel>
<OrderChannel>Online</OrderChannel><ShipServiceLevel>Std AE Dom</ShipServiceLevel>
<ShippingAddress><Name>مريم المنصوري</Name><AddressLine1>شارع الشيخ زايد {n}</AddressLine1>
<AddressLine2>Tower 2</AddressLine2>
<City>Dubai</City><County>Dubai</County><District>Al Barsha</District><StateOrRegion>Dubai</StateOrRegion>
<CountryCode>AE</CountryCode><Phone>+971500000000</Phone><AddressType>Residential</AddressType></ShippingAddress>
<DefaultShipFromLocationAddress><Name>Warehouse</Name><AddressLine1>Street 1</AddressLine1><City>Dubai</City>
<CountryCode>AE</CountryCode><Phone>+971400000000</Phone></DefaultShipFromLocationAddress>
<OrderTotal><CurrencyCode>AED</CurrencyCode><Amount>{n}.50</Amount></OrderTotal>
<NumberOfItemsShipped>0</NumberOfItemsShipped><NumberOfItemsUnshipped>2</NumberOfItemsUnshipped>
<PaymentExecutionDetail><PaymentExecutionDetailItem><Payment><CurrencyCode>AED</CurrencyCode><Amount>10.00</Amount></Payment>
<PaymentMethod>COD</PaymentMethod></PaymentExecutionDetailItem></PaymentExecutionDetail>
<PaymentMethod>COD</PaymentMethod><PaymentMethodDetails>
<PaymentMethodDetail>COD</PaymentMethodDetail></PaymentMethodDetails>
<IsReplacementOrder>false</IsReplacementOrder><MarketplaceId>A2VIGQ35RCS4UG</MarketplaceId>
<BuyerEmail>buyer{n}@marketplace.amazon.ae</BuyerEmail><BuyerName>Buyer {n}</BuyerName><BuyerCounty>Dubai</BuyerCounty>
<BuyerTaxInfo><CompanyLegalName>Company {n}</CompanyLegalName><TaxingRegion>AE</TaxingRegion><TaxClassifications>
<TaxClassification><Name>VATNumber</Name><Value>100{n}</Value></TaxClassification></TaxClassifications></BuyerTaxInfo>
<ShipmentServiceLevelCategory>Standard</ShipmentServiceLevelCategory>
<EasyShipShipmentStatus>PendingPickUp</EasyShipShipmentStatus><OrderType>StandardOrder</OrderType>
<EarliestShipDate>2021-11-18T04:00:00Z</EarliestShipDate><LatestShipDate>2021-11-19T19:59:59Z</LatestShipDate>
<EarliestDeliveryDate>2021-11-20T04:00:00Z</EarliestDeliveryDate>
<LatestDeliveryDate>2021-11-22T19:59:59Z</LatestDeliveryDate>
<IsBusinessOrder>false</IsBusinessOrder><IsSoldByAB>false</IsSoldByAB><IsIBA>false</IsIBA>
<IsAccessPointOrder>false</IsAccessPointOrder><PurchaseOrderNumber>PO-{n}</PurchaseOrderNumber><IsPrime>false</IsPrime>
<IsPremiumOrder>false</IsPremiumOrder><IsGlobalExpressEnabled>false</IsGlobalExpressEnabled>
<PromiseResponseDueDate>2021-11-18T09:00:00Z</PromiseResponseDueDate>
<IsEstimatedShipDateSet>false</IsEstimatedShipDateSet>
</Order>"""
MONEYS = (
    "ItemPrice", "ShippingPrice", "GiftWrapPrice", "ItemTax", "ShippingTax", "GiftWrapTax", "ShippingDiscount",
    "PromotionDiscount", "CODFee", "CODFeeDiscount",
)  # fmt: skip
ITEM = (
    "<OrderItem><ASIN>B0000000{n:02d}</ASIN><OrderItemId>6882857438{n:04d}</OrderItemId><SellerSKU>SKU-{n}</SellerSKU>"
    "<Title>منتج رقم {n}</Title><QuantityOrdered>2</QuantityOrdered><QuantityShipped>0</QuantityShipped>"
    "<ProductInfo><NumberOfItems>1</NumberOfItems></ProductInfo>"
    + "".join(f"<{name}><CurrencyCode>AED</CurrencyCode><Amount>{{n}}.25</Amount></{name}>" for name in MONEYS)
    + "<PromotionIds><PromotionId>FREESHIP</PromotionId></PromotionIds><IsGift>false</IsGift>"
    "<ConditionId>New</ConditionId><ConditionSubtypeId>New</ConditionSubtypeId><IsTransparency>false</IsTransparency>"
    "<SerialNumberRequired>false</SerialNumberRequired></OrderItem>"
)


def page(action: str, content: str) -> bytes:
    """An answer as Amazon wraps it."""
    return (
        f'<?xml version="1.0"?><{action}Response xmlns="https://mws.amazonservices.com/Orders/2013-09-01">'
        f"<{action}Result>{content}</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    ).encode()


ORDERS = page(
    "ListOrders",
    "<LastUpdatedBefore>2021-11-18T08:58:00Z</LastUpdatedBefore><Orders>"
    + "".join(ORDER.format(n=n, s=n % 60) for n in range(100))
    + "</Orders>",
)
ITEMS = page("ListOrderItems", "<OrderItems>" + "".join(ITEM.format(n=n) for n in range(100)) + "</OrderItems>")


def our_orders() -> tuple[Order, ...]:
    """This library: XML to models."""
    _, node = parse(ORDERS)
    return read_order_page(node["ListOrdersResult"], ResponseMeta()).items


def our_items() -> tuple[OrderItem, ...]:
    """This library: XML to models."""
    _, node = parse(ITEMS)
    return read_item_page(node["ListOrderItemsResult"], ResponseMeta()).items


def peer(body: bytes, result: str, rows: str, row: str) -> int:
    """The peer: XML to its objects, then every text of every row, as a caller would reach it. Texts stay texts."""
    from mws.mws import DictWrapper

    def reach(node: object) -> int:
        if isinstance(node, dict):
            return sum(reach(value) for value in node.values())
        if isinstance(node, list):
            return sum(reach(value) for value in node)
        return 1

    parsed = DictWrapper(body.decode("utf-8"), result).parsed
    return reach(parsed[rows][row])


def measure(contestants: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of each, interleaved, garbage collection as in real life."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def import_seconds(statements: tuple[str, ...], rounds: int = 9) -> dict[str, float]:
    """The least seconds that each statement takes in a fresh interpreter, interleaved."""
    code = "import time; b = time.perf_counter(); {}; print(time.perf_counter() - b)"
    seconds: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(rounds):
        for statement in statements:
            command = [sys.executable, "-c", code.format(statement)]
            run = subprocess.run(command, capture_output=True, check=True, text=True)
            seconds[statement].append(float(run.stdout))
    return {statement: min(values) for statement, values in seconds.items()}


def main() -> None:
    """Print the ratios as a Markdown table."""
    gc.collect()
    assert len(our_orders()) == len(our_items()) == 100
    orders = measure(
        {
            "parser": lambda: xmltodict.parse(ORDERS),
            "ours": our_orders,
            "peer": lambda: peer(ORDERS, "ListOrdersResult", "Orders", "Order"),
        }
    )
    items = measure(
        {
            "parser": lambda: xmltodict.parse(ITEMS),
            "ours": our_items,
            "peer": lambda: peer(ITEMS, "ListOrderItemsResult", "OrderItems", "OrderItem"),
        }
    )
    imports = import_seconds(("import httpx", "import amazon_ae", "from amazon_ae._mws.client import MwsClient"))
    print("| what | ratio | target |")
    print("|---|---|---|")
    print(f"| 100 full orders to models / `xmltodict.parse` alone | {orders['ours'] / orders['parser']:.2f} | <= 1.6 |")
    print(f"| 100 full orders to models / the peer's texts | {orders['ours'] / orders['peer']:.2f} | < 1 |")
    print(f"| 100 full items to models / `xmltodict.parse` alone | {items['ours'] / items['parser']:.2f} | <= 1.6 |")
    print(f"| 100 full items to models / the peer's texts | {items['ours'] / items['peer']:.2f} | < 1 |")
    httpx, ours, client = imports.values()
    print(f"| `import amazon_ae` / `import httpx` | {ours / httpx:.2f} | < 1.5 |")
    print(f"| importing `MwsClient` (with httpx) / `import httpx` | {client / httpx:.2f} | - |")


if __name__ == "__main__":
    main()
