"""Write the API pages: one per piece, from the public names of the package, so that no name is listed twice.

``conf.py`` calls `write_pages` before Sphinx reads its sources. A page names internal modules; each public name
stands on the page of the module that defines it.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Final

import attrs

import amazon_ae
import amazon_ae.testing

PACKAGE: Final = Path(amazon_ae.__file__).parent


@attrs.frozen
class ApiPage:
    """One page: its title, a sentence, and the modules whose public names it shows."""

    title: str
    about: str
    modules: tuple[str, ...]


PAGES: Final = {
    "spapi-client": ApiPage(
        "Selling Partner API",
        "Client and gateway for today's Amazon, and the probe of what it offers a seller.",
        ("_spapi.client", "_spapi.gateway", "_spapi.probe", "_spapi.operations", "_spapi.throttles"),
    ),
    "spapi-routes": ApiPage(
        "Selling Partner API: stock, pickups, labels",
        "How stock, pickups and labels go by the Selling Partner API, and the audit of what Amazon shows.",
        ("_spapi",),
    ),
    "spapi-values": ApiPage(
        "Selling Partner API: values",
        "What its calls return, and notifications.",
        ("_spapi.models", "_spapi.easy_ship_bulk", "_spapi.notifications", "_models.notifications"),
    ),
    "mws-client": ApiPage(
        "Amazon MWS",
        "Client and gateway for Amazon MWS, which Amazon switched off in 2024.",
        ("_mws.client", "_mws.gateway", "_mws.pickup_routes", "_mws.throttles"),
    ),
    "mws-feeds": ApiPage("Feeds and reports", "Documents to submit, and the reports that come back.", ("_mws",)),
    "mws-values": ApiPage(
        "Amazon MWS: values",
        "What its calls return.",
        ("_models.responses", "_models.sellers", "_models.submissions", "_models.reports"),
    ),
    "transport": ApiPage(
        "Pace and retries", "What both clients take: limits, pacing, retries, records.", ("_transport",)
    ),
    "inventory": ApiPage("Inventory", "Stock changes on their way to the marketplace.", ("_inventory",)),
    "scheduler": ApiPage(
        "Scheduler and pickups",
        "Feeds, pickups and the [quota](../../explanation/quota.md).",
        ("_scheduling", "_models.pickups"),
    ),
    "easy-ship": ApiPage(
        "Easy Ship", "Parcels, slots, and the label archives that come with them.", ("_models.easy_ship", "_easy_ship")
    ),
    "orders": ApiPage(
        "Orders",
        "Unfulfilled orders, fetched continuously, and values as plain dictionaries.",
        ("_orders", "_models.plain"),
    ),
    "order-values": ApiPage(
        "Orders: values", "An order, its items, addresses and amounts.", ("_models.orders", "_models.money")
    ),
    "documents": ApiPage(
        "Documents",
        "Packing slip, invoice and shipping label, from one source or several.",
        ("_models.documents", "_document_files", "_documents"),
    ),
    "portal": ApiPage(
        "The panel",
        "Seller Central, driven by a browser. [Page by page](../portal.md).",
        ("_portal.scraper", "_portal"),
    ),
    "storage": ApiPage(
        "Storages",
        "Where queued items, batches and cursors live: three implementations of [`Storage`](protocols.md). "
        "[The storage reference](../storage.md).",
        ("_storage", "_models.stored"),
    ),
    "protocols": ApiPage("Protocols", "What you can implement yourself.", ("_ports",)),
    "batches": ApiPage(
        "Items, batches and outcomes", "The values that gateways, storages and routes exchange.", ("_models.feeds",)
    ),
    "credentials": ApiPage(
        "Marketplaces and credentials",
        "Where, and as whom; and the system's clock.",
        ("_models.marketplaces", "_clocks"),
    ),
    "events": ApiPage("Events", "What `on_event` receives.", ("_models.events",)),
    "errors": ApiPage("Errors", "Split by what the caller does next.", ("_exceptions",)),
    "testing": ApiPage(
        "Testing",
        "`amazon_ae.testing`: a virtual clock, builders, contract suites and fixtures for pytest.",
        ("testing",),
    ),
    "testing-mws": ApiPage(
        "Testing: the fake MWS", "[What it checks](../fake-mws.md).", ("testing._mws", "testing._serving")
    ),
    "testing-spapi": ApiPage(
        "Testing: the fake Selling Partner API", "[What it checks](../fake-spapi.md).", ("testing._spapi",)
    ),
    "testing-seller": ApiPage(
        "Testing: seller and sandbox",
        "The state below all fakes, a source of its documents, and everything at once on loopback.",
        (
            "testing._seller",
            "testing._fake_portal",
            "testing._papers",
            "testing._sandbox",
        ),
    ),
    "testing-panel": ApiPage(
        "Testing: the look-alike of Seller Central",
        "[What it shows](../fake-seller-central.md).",
        ("testing._seller_central",),
    ),
}

_CONSTANTS: Final = {
    "AE": "Amazon.ae, the United Arab Emirates.",
    "EG": "Amazon.eg, Egypt.",
    "SA": "Amazon.sa, Saudi Arabia.",
    "SITE": "Every address and selector of Seller Central that the panel uses; change entries with ``SITE.override``.",
    "THROTTLES": "Amazon MWS's limits, one row per group of operations, each with its source.",
    "STORAGE_CHECKS": "Every check of the storage contract, one by one: coroutine functions of a ``StorageTrial``.",
    "FAKE_CREDENTIALS": "Credentials that ``FakeMws`` accepts.",
    "FAKE_PICKUP_FEED_TYPE": "The feed type under which ``FakeMws`` takes the Schedule Pickup file.",
}


def page_of(module: str) -> str:
    """The page of what an internal module defines: that of the longest listed module it lies in."""
    found = [
        (len(prefix), slug)
        for slug, page in PAGES.items()
        for prefix in page.modules
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    if not found:
        raise LookupError(f"docs/api_pages.py: no page shows the public names of amazon_ae.{module}")
    return max(found)[1]


def public_names() -> dict[str, list[str]]:
    """The public names of each page, ``amazon_ae.Name`` or ``amazon_ae.testing.Name``, as its modules are ordered."""
    found: dict[str, list[tuple[int, str]]] = {slug: [] for slug in PAGES}
    for stub, package in ((PACKAGE / "__init__.pyi", ""), (PACKAGE / "testing" / "__init__.pyi", "testing.")):
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                module = f"{package}{node.module}"
                slug = page_of(module)
                places = [at for at, prefix in enumerate(PAGES[slug].modules) if f"{module}.".startswith(f"{prefix}.")]
                found[slug] += [(places[0], f"amazon_ae.{package}{alias.name}") for alias in node.names]
    return {slug: [name for _, name in sorted(names, key=lambda each: each[0])] for slug, names in found.items()}


def api_of(text: str) -> list[str]:
    """The API pages of what a page of the documentation uses, the most used first, at most four."""
    slugs = {path.rpartition(".")[2]: slug for slug, paths in public_names().items() for path in paths}
    code = re.findall(r"```python\n(.*?)```|`([^`\n]+)`", text, re.DOTALL)
    words = re.findall(r"\w+", " ".join(part for pair in code for part in pair))
    used = Counter(slugs[word] for word in words if word in slugs and word not in ("AE", "EG", "SA"))
    return [slug for slug, _ in used.most_common(4)]


def with_api_links(text: str) -> str:
    """A how-to page with the links to the API that it uses, at its end."""
    links = " · ".join(f"[{PAGES[slug].title}](../reference/api/{slug}.md)" for slug in api_of(text))
    return f"{text}\n**API**: {links}\n" if links else text


def how_to_pages(slug: str, folder: Path) -> list[tuple[str, str]]:
    """(path, title) of the how-to pages that link to an API page."""
    return [
        (page.name, page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# "))
        for page in sorted(folder.glob("*.md"))
        if slug in api_of(page.read_text(encoding="utf-8"))
    ]


def write_pages(folder: Path) -> None:
    """Write every page and their index into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    names = public_names()
    how_to = folder.parents[1] / "how-to"
    rows = []
    for slug, page in PAGES.items():
        directives = "".join(map(_directive, names[slug]))
        if slug == "storage":
            directives += ".. automodule:: amazon_ae.storage_kit\n   :members:\n   :member-order: alphabetical\n"
        if slug == "testing":
            directives += ".. automodule:: amazon_ae.testing.pytest\n   :members:\n"
        links = " · ".join(f"[{title}](../../how-to/{name})" for name, title in how_to_pages(slug, how_to))
        used = f"**How to**: {links}\n\n" if links else ""
        text = f"# {page.title}\n\n{page.about}\n\n{used}```{{eval-rst}}\n{directives}```\n"
        (folder / f"{slug}.md").write_text(text, encoding="utf-8")
        first = ", ".join(f"`{name.rpartition('.')[2]}`" for name in names[slug][:5])
        rows.append(f"| [{page.title}]({slug}.md) | {first}{', ...' if len(names[slug]) > 5 else ''} |")
    index = (
        "# API\n\nA host imports everything it composes, catches and annotates with from `amazon_ae`, and everything\n"
        "its tests need from `amazon_ae.testing`. [What is public](../public-api.md) says how these names\n"
        "may change.\n\n"
        "| page | names |\n|---|---|\n"
        + "\n".join(rows)
        + "\n\n```{toctree}\n:hidden:\n\n"
        + "\n".join(PAGES)
        + "\n```\n"
    )
    (folder / "index.md").write_text(index, encoding="utf-8")


_FOREIGN: Final = {"object", "Generic", "Protocol", "ABC", "AsyncBaseTransport", "Event", "str", "StrEnum", "Enum"}


def _directive(path: str) -> str:
    package, _, name = path.rpartition(".")
    value = getattr(amazon_ae.testing if package.endswith("testing") else amazon_ae, name)
    if inspect.isclass(value):
        inheritance = "   :show-inheritance:\n" if issubclass(value, Exception) else ""
        if any(base.__module__.startswith("amazon_ae.") for base in value.__mro__[1:]) and not inheritance:
            # What a class has from an internal one of ours is its own to a reader; what it has from others is not.
            inheritance = f"   :inherited-members: {', '.join(sorted(_FOREIGN))}\n"
        return f".. autoclass:: {path}\n   :members:\n{_repeated(value)}{inheritance}\n"
    if inspect.isfunction(value):
        return f".. autofunction:: {path}\n"
    about = _CONSTANTS.get(name) or (type(value).__doc__ or "").partition("\n")[0]
    return f".. py:data:: {path}\n   :type: {type(value).__name__}\n\n   {about}\n\n"


def _repeated(value: type) -> str:
    """Verbs that only say again what the protocol says are shown there."""
    if not value.__module__.startswith("amazon_ae._storage") and value is not amazon_ae.LabelArchiveFolder:
        return ""
    protocol = amazon_ae.LabelArchives if value is amazon_ae.LabelArchiveFolder else amazon_ae.Storage
    return f"   :exclude-members: {', '.join(name for name in vars(protocol) if not name.startswith('_'))}\n"
