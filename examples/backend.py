"""Which Amazon the warehouse talks to, by one setting (``AMAZON_AE_BACKEND``): no other file of the host knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from amazon_ae import (
    AE,
    ChromiumPrinter,
    Clock,
    DocumentSource,
    DocumentSourceChain,
    EventSink,
    FeedScheduler,
    LabelArchiveFolder,
    Marketplace,
    MwsClient,
    MwsCredentials,
    MwsGateway,
    PackingSlips,
    SchedulePickupFeed,
    SlipSeller,
    SpApiClient,
    SpApiCredentials,
    SpApiDocumentsFeed,
    SpApiGateway,
    Storage,
)


def marketplace(env: Mapping[str, str]) -> Marketplace:
    """The sandbox's addresses. Against Amazon take ``AE`` as it is."""
    return attrs.evolve(
        AE,
        mws_endpoint=env["AMAZON_AE_ENDPOINT"],
        spapi_endpoint=env["AMAZON_AE_SPAPI_ENDPOINT"],
        lwa_endpoint=env["AMAZON_AE_SPAPI_ENDPOINT"],
        portal_origin=env["AMAZON_AE_PORTAL"],
    )


def connect(env: Mapping[str, str], clock: Clock) -> tuple[MwsClient, MwsGateway] | tuple[SpApiClient, SpApiGateway]:
    """Client and gateway: ``mws``, or ``spapi`` for the Selling Partner API."""
    market = marketplace(env)
    if env["AMAZON_AE_BACKEND"] == "spapi":
        api = SpApiClient(SpApiCredentials.from_env(env), market, clock=clock)
        return api, SpApiGateway(api)
    mws = MwsClient(MwsCredentials.from_env(env), market, clock=clock)
    return mws, MwsGateway(mws, pickup_route=SchedulePickupFeed(feed_type=env["AMAZON_AE_PICKUP_FEED_TYPE"]))


@asynccontextmanager
async def former_backend(
    env: Mapping[str, str], gateway: MwsGateway | SpApiGateway, storage: Storage, clock: Clock, on_event: EventSink
) -> AsyncIterator[None]:
    """After a change of the setting: settle what the other backend still has. Nothing new goes there."""
    unsettled = await storage.unfinished(gateway.account)
    if all(batch.route in gateway.routes for batch in unsettled):
        yield
        return
    name = "mws" if env["AMAZON_AE_BACKEND"] == "spapi" else "spapi"
    client, former = connect({**env, "AMAZON_AE_BACKEND": name}, clock)
    async with (
        client,
        FeedScheduler(storage, former, orders=former, clock=clock, on_event=on_event, settle_only=True),
    ):
        yield


def documents(
    client: MwsClient | SpApiClient, storage: Storage, portal: DocumentSource, printer: ChromiumPrinter, folder: Path
) -> DocumentSource:
    """Where a parcel's documents come from: the panel; or Amazon's API, then the panel, then a slip of our own."""
    if isinstance(client, MwsClient):
        return portal
    gateway = SpApiGateway(client)
    seller = SlipSeller(name="Gulf Store LLC", lines=("Warehouse 7, Al Quoz, Dubai",))
    sources: dict[str, DocumentSource] = {
        "documents feed": SpApiDocumentsFeed(client, storage, LabelArchiveFolder(folder / "labels")),
        "panel": portal,
        "own slip": PackingSlips(gateway, printer, seller=seller, clock=client.clock),
    }
    return DocumentSourceChain(sources, account=gateway.account, clock=client.clock)


def with_wrong_secret(env: Mapping[str, str]) -> dict[str, str]:
    """The same environment, and nobody lets it in."""
    return {**env, "AMAZON_AE_SECRET_KEY": "not-the-key", "AMAZON_AE_SPAPI_CLIENT_SECRET": "not-the-secret"}
