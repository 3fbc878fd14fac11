"""``KeptLabels``: a ``DocumentSource`` over the label archives that were kept when the pickups were booked."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from amazon_ae._clocks import SystemClock
from amazon_ae._easy_ship.archive_folder import LabelArchives
from amazon_ae._easy_ship.archives import ArchiveLimits, MediaType
from amazon_ae._easy_ship.labels import ArchiveReader
from amazon_ae._exceptions import ConfigurationError, DocumentError
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet, kinds_asked
from amazon_ae._models.text import check_order_id
from amazon_ae._ports import Clock

__all__ = ["KeptLabels"]


class KeptLabels:
    """The labels (and whatever else Amazon put beside them) of bulk scheduling and of the documents feed.

    Nothing is asked of Amazon: an order without a kept archive has a ``DocumentError`` for every kind.

    Args:
        archives: where ``EasyShipBulkPickup`` or ``EasyShipDocumentsReport`` keep them.
        media_types: which formats are good labels here, the best first: ``MediaType.PDF``, ``MediaType.ZPL`` for a
            label printer, ``MediaType.PNG``.
        limits: what opening an archive may cost.
        clock: dates the documents.

    Raises:
        ConfigurationError: no format, or an unknown one.
    """

    def __init__(
        self,
        archives: LabelArchives,
        *,
        media_types: Sequence[str] = (MediaType.PDF,),
        limits: ArchiveLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        if isinstance(media_types, str) or not media_types or not set(media_types) <= set(MediaType):
            raise ConfigurationError(f"media_types is a list of {', '.join(MediaType)}, not {media_types!r}")
        self._archives = archives
        self._media_types = tuple(media_types)
        self._reader = ArchiveReader(limits=limits)
        self._clock = clock or SystemClock()

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = tuple(DocumentKind)) -> DocumentSet:
        """The documents of one order. A kind that no archive holds has a ``DocumentError``.

        Raises:
            ConfigurationError: an unknown kind, or no Amazon order id.
            StorageError: the archives cannot be read.
        """
        wanted = kinds_asked(kinds)
        kept = await self._archives.find(check_order_id(order_id)) if wanted else []
        found = await asyncio.to_thread(
            self._reader.documents,
            kept,
            order_id,
            wanted,
            media_types=self._media_types,
            fetched_at=self._clock.now(),
        )
        missing = "no kept archive has it" if kept else "no archive of this order was kept"
        results: dict[DocumentKind, Document | DocumentError] = {
            kind: found.get(kind) or DocumentError(missing, step=kind) for kind in wanted
        }
        return DocumentSet(order_id, results)
