"""Write the API pages: one per piece, from the public names of the package, so that no name is listed twice.

``conf.py`` calls `write_pages` before Sphinx reads its sources. A page names internal modules; each public name
stands on the page of the module that defines it.
"""

from __future__ import annotations

import ast
import inspect
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
        "Client, gateway and credentials for today's Amazon. [Choose a backend](../../how-to/choose-a-backend.md).",
        ("_spapi", "_models.notifications"),
    ),
    "mws-client": ApiPage(
        "Amazon MWS",
        "Client and gateway for Amazon MWS, and what its calls return. "
        "[Choose a backend](../../how-to/choose-a-backend.md).",
        ("_mws", "_transport", "_models.responses", "_models.sellers", "_models.submissions", "_models.reports"),
    ),
    "inventory": ApiPage("Inventory", "Stock changes on their way to the marketplace.", ("_inventory",)),
    "scheduler": ApiPage(
        "Scheduler and pickups",
        "Feeds, pickups and the quota. [Choose a pickup route](../../how-to/choose-a-pickup-route.md) · "
        "[the quota](../../explanation/quota.md).",
        ("_scheduling", "_models.pickups", "_models.easy_ship", "_easy_ship"),
    ),
    "orders": ApiPage(
        "Orders",
        "Unfulfilled orders, fetched continuously. [Take orders](../../how-to/take-orders.md).",
        ("_orders", "_models.orders", "_models.money", "_models.plain"),
    ),
    "documents": ApiPage(
        "Documents and the panel",
        "Packing slip, invoice and shipping label. [The panel, page by page](../portal.md).",
        ("_documents", "_models.documents", "_document_files", "_portal"),
    ),
    "storage": ApiPage(
        "Storages",
        "Where queued items, batches and cursors live. [Write your own](../../how-to/write-your-own-storage.md) · "
        "[the storage reference](../storage.md).",
        ("_storage", "_models.stored"),
    ),
    "protocols": ApiPage(
        "Protocols and credentials",
        "What you can implement yourself, the values it exchanges, marketplaces and credentials.",
        ("_ports", "_clocks", "_models.feeds", "_models.marketplaces"),
    ),
    "events": ApiPage(
        "Events", "What `on_event` receives. [Metrics and logs](../../how-to/metrics.md).", ("_models.events",)
    ),
    "errors": ApiPage(
        "Errors",
        "Split by what the caller does next. [Handle errors](../../how-to/handle-errors.md) · "
        "[troubleshoot](../../how-to/troubleshoot.md).",
        ("_exceptions",),
    ),
    "testing": ApiPage(
        "Testing",
        "`amazon_ae.testing`: fakes, a virtual clock and contract suites. "
        "[Test your host](../../how-to/test-your-host.md).",
        ("testing",),
    ),
}

_CONSTANTS: Final = {
    "AE": "Amazon.ae, the United Arab Emirates.",
    "EG": "Amazon.eg, Egypt.",
    "SA": "Amazon.sa, Saudi Arabia.",
    "SITE": "Every address and selector of Seller Central that the panel uses; change entries with ``SITE.override``.",
    "THROTTLES": "Amazon MWS's limits, one row per group of operations, each with its source.",
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
    """The public names of each page, as ``amazon_ae.Name`` or ``amazon_ae.testing.Name``, in the stubs' order."""
    names: dict[str, list[str]] = {slug: [] for slug in PAGES}
    for stub, package in ((PACKAGE / "__init__.pyi", ""), (PACKAGE / "testing" / "__init__.pyi", "testing.")):
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                page = page_of(f"{package}{node.module}")
                names[page] += [f"amazon_ae.{package}{alias.name}" for alias in node.names]
    return names


def write_pages(folder: Path) -> None:
    """Write every page and their index into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    names = public_names()
    rows = []
    for slug, page in PAGES.items():
        directives = "".join(map(_directive, names[slug]))
        if slug == "testing":
            directives += ".. automodule:: amazon_ae.testing.pytest\n   :members:\n"
        text = f"# {page.title}\n\n{page.about}\n\n```{{eval-rst}}\n{directives}```\n"
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
        return f".. autoclass:: {path}\n   :members:\n{inheritance}"
    if inspect.isfunction(value):
        return f".. autofunction:: {path}\n"
    about = _CONSTANTS.get(name) or (type(value).__doc__ or "").partition("\n")[0]
    return f".. py:data:: {path}\n   :type: {type(value).__name__}\n\n   {about}\n\n"
