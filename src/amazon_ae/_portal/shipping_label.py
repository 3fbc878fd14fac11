"""The shipping label: a link on the order's page, to the PDF or to a page that makes it in the background."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from amazon_ae._exceptions import DocumentError, DocumentInvalid, DocumentNotReady, PageChanged, PortalError
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.fetch_context import FetchContext, FetchedOrderPage, hrefs
from amazon_ae._portal.html import read_form
from amazon_ae._portal.http import Answer
from amazon_ae._portal.label_batch import batch_links, poll_pause_seconds
from amazon_ae._portal.network_monitor import NetworkMonitor
from amazon_ae._portal.snapshot import picture

__all__ = ["fetch_label"]

_KIND: Final = DocumentKind.SHIPPING_LABEL
_STEP: Final = str(_KIND)
_NOT_SCHEDULED_RETRY_SECONDS: Final = 30.0
_IN_THE_MAKING_RETRY_SECONDS: Final = 5.0
_MOST_BATCHES: Final = 1000


async def fetch_label(context: FetchContext, order_id: str, order: FetchedOrderPage) -> bytes:
    """The bytes of the label.

    Raises:
        DocumentNotReady: there is no pickup yet, or Amazon still makes the label.
        PageChanged: the order's page, or the page that makes labels, is not as known.
    """
    if (batch := context.label_batches.get(order_id)) is not None:
        # A page that makes this order's label is there already: another request would make another label.
        try:
            answer = await context.http.get(batch, step=_STEP, referer=order.url)
            return (await _from_batch(context, order_id, answer)).body
        except (DocumentNotReady, PageChanged):
            raise
        except (DocumentError, PortalError):
            context.label_batches.pop(order_id, None)  # it is gone
    names = context.site.selectors
    links = hrefs(order.tree, names["label_link"])
    if not links and order.tree.first(names["label_schedule"]) is None:
        links = await _drawn_links(context, order)
    if not links:
        raise DocumentNotReady(
            "the order has no pickup yet, so there is no label",
            retry_after_seconds=_NOT_SCHEDULED_RETRY_SECONDS,
            step=_STEP,
        )
    url = context.http.absolute(links[0], order.url)
    answer = await _poll(context, url, order.url)
    if answer.document is None:
        return answer.body
    if answer.url != url:
        context.label_batches[order_id] = answer.url
        while len(context.label_batches) > _MOST_BATCHES:
            context.label_batches.pop(next(iter(context.label_batches)))
    return (await _from_batch(context, order_id, answer)).body


async def _drawn_links(context: FetchContext, order: FetchedOrderPage) -> list[str]:
    """The links of the order's page once its scripts ran; none if a pickup is still to be scheduled."""
    names = context.site.selectors
    async with context.open_page(False) as page:
        with NetworkMonitor(page, {context.origin}) as network:
            await context.show(page, order, _STEP)
            found = await context.wait_for(
                page, network, _STEP, links=names["label_link"], clicks=names["label_schedule"]
            )
        if found is None:
            raise PageChanged(
                "the order's page offers no label this version knows; run check()",
                step=_STEP,
                picture=await picture(page),
            )
        return list(found.links)


async def _poll(context: FetchContext, url: str, referer: str) -> Answer:
    """Ask for the label until it is there, for ``label_wait_seconds`` at most."""
    deadline = context.clock.now() + timedelta(seconds=context.label_wait_seconds)
    while True:
        try:
            return await context.http.get(url, step=_STEP, referer=referer)
        except DocumentNotReady as error:
            if error.retry_after_seconds > (deadline - context.clock.now()).total_seconds():
                raise
            pause = error.retry_after_seconds
        await context.clock.sleep(pause)


async def _from_batch(context: FetchContext, order_id: str, answer: Answer) -> Answer:
    """Refresh the page that makes labels until it links to this order's PDF; other orders' labels may be listed too."""
    deadline = context.clock.now() + timedelta(seconds=context.label_wait_seconds)
    refused: set[str] = set()
    asked = 0
    while (page := answer.document) is not None:
        links = batch_links(page, context.site.selectors["batch_link"], page_url=answer.url, order_id=order_id)
        if label := await _first_label(context, order_id, answer.url, (*links.sure, *links.unsure), refused):
            return label
        button = page.first(context.site.selectors["batch_refresh"])
        if button is None:
            if refused:
                raise DocumentInvalid("the page of labels lists other orders' labels only", step=_STEP)
            raise PageChanged("the label's page is neither a PDF nor the known batch page; run check()", step=_STEP)
        pause = poll_pause_seconds(asked)
        if context.clock.now() + timedelta(seconds=pause) > deadline:
            raise DocumentNotReady(
                "Amazon is still making the label", retry_after_seconds=_IN_THE_MAKING_RETRY_SECONDS, step=_STEP
            )
        await context.clock.sleep(pause)
        asked += 1
        form = button.form
        if form is None:
            answer = await context.http.get(answer.url, step=_STEP, referer=answer.url)
        else:
            filled = read_form(form, answer.url, button=button)
            answer = await context.http.submit(filled, step=_STEP, referer=answer.url)
    return answer


async def _first_label(
    context: FetchContext, order_id: str, page_url: str, links: tuple[str, ...], refused: set[str]
) -> Answer | None:
    """The first label that is this order's; another order's label is not fetched again."""
    for link in links:
        url = context.http.absolute(link, page_url)
        if url in refused:
            continue
        label = await context.http.get(url, step=_STEP, referer=page_url)
        if await context.accepts(_KIND, order_id, label):
            return label
        refused.add(url)
    return None
