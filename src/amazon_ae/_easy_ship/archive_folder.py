"""``LabelArchiveFolder``: keeps label archives, which Amazon delivers only once, until you delete them.

An archive is two files: first an index (its orders, and the texts on their labels), then the archive itself. The
archive's name appears once the file is whole and durable, and from then on it counts as kept. An index without its
archive is left by a crash and is ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from amazon_ae._document_files import write_atomically
from amazon_ae._easy_ship.labels import KeptArchive, LabelTexts
from amazon_ae._exceptions import ConfigurationError, StorageError
from amazon_ae._models.checks import check_aware, check_path
from amazon_ae._models.text import check_order_id

__all__ = ["LabelArchiveFolder", "LabelArchives"]

_ARCHIVE: Final = ".archive"
_INDEX: Final = ".json"


class LabelArchives(Protocol):
    """Keeps label archives: in a folder, or in a store of yours (a bucket, a table)."""

    async def keep(self, content: bytes, orders: Mapping[str, LabelTexts], *, at: datetime) -> str:
        """Keep an archive; durable when it returns. Keeping the same bytes again changes nothing.

        Returns:
            Its name.

        Raises:
            StorageError: it is not kept.
        """
        ...

    async def find(self, order_id: str) -> list[KeptArchive]:
        """The archives that may hold this order's label, the newest first.

        Raises:
            StorageError: they cannot be read.
        """
        ...


class LabelArchiveFolder:
    """``LabelArchives`` in a folder, which processes on one machine (or one mounted disk) may share.

    Labels hold names and addresses: files are readable by their owner only. Nothing is deleted by itself; ``forget``
    deletes what is old.

    Args:
        folder: made where it does not exist.

    Raises:
        ConfigurationError: it is a file.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = check_path("LabelArchiveFolder: folder", folder)
        if self._folder.exists() and not self._folder.is_dir():
            raise ConfigurationError(f"{self._folder} is a file, not a folder")
        # Indexes never change, so each is read once.
        self._indexes: dict[str, dict[str, Any]] = {}

    async def keep(self, content: bytes, orders: Mapping[str, LabelTexts], *, at: datetime) -> str:
        """See ``LabelArchives.keep``."""
        check_aware(at=at)
        for order_id in orders:
            check_order_id(order_id)
        return await asyncio.to_thread(self._keep, content, dict(orders), at)

    async def find(self, order_id: str) -> list[KeptArchive]:
        """See ``LabelArchives.find``."""
        check_order_id(order_id)
        return await asyncio.to_thread(self._find, order_id)

    async def forget(self, *, before: datetime) -> int:
        """Delete the archives that were kept before an instant (aware); returns how many.

        Raises:
            StorageError: one could not be deleted.
        """
        check_aware(before=before)
        return await asyncio.to_thread(self._forget, before)

    def _keep(self, content: bytes, orders: dict[str, LabelTexts], at: datetime) -> str:
        name = hashlib.sha256(content).hexdigest()[:32]
        index = {
            "kept_at": at.isoformat(),
            "orders": {order_id: attrs.asdict(texts) for order_id, texts in orders.items()},
        }
        with contextlib.suppress(OSError):  # write_atomically makes what is missing, and says what went wrong
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self._folder / (name + _ARCHIVE)).exists():
            write_atomically(self._folder / (name + _INDEX), json.dumps(index).encode())
            write_atomically(self._folder / (name + _ARCHIVE), content)
        return name

    def _find(self, order_id: str) -> list[KeptArchive]:
        found = []
        for name in self._names():
            index = self._index(name)
            if index is None or order_id not in index["orders"]:
                continue
            orders = {key: LabelTexts(**texts) for key, texts in index["orders"].items()}
            try:
                content = (self._folder / (name + _ARCHIVE)).read_bytes()
            except FileNotFoundError:
                continue  # forgotten meanwhile
            except OSError as error:
                raise StorageError(f"{self._folder / name} cannot be read: {error.strerror}") from error
            kept_at = datetime.fromisoformat(index["kept_at"])
            found.append(KeptArchive(name=name, content=content, orders=orders, kept_at=kept_at))
        return sorted(found, key=lambda archive: archive.kept_at, reverse=True)

    def _forget(self, before: datetime) -> int:
        count = 0
        for name in self._names():
            index = self._index(name)
            if index is None or datetime.fromisoformat(index["kept_at"]) >= before:
                continue
            try:
                os.unlink(self._folder / (name + _ARCHIVE))
                (self._folder / (name + _INDEX)).unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageError(f"{self._folder / name} cannot be deleted: {error.strerror}") from error
            self._indexes.pop(name, None)
            count += 1
        return count

    def _names(self) -> list[str]:
        try:
            return [path.stem for path in self._folder.glob("*" + _ARCHIVE)]
        except OSError as error:
            raise StorageError(f"{self._folder} cannot be read: {error.strerror}") from error

    def _index(self, name: str) -> dict[str, Any] | None:
        if name not in self._indexes:
            try:
                self._indexes[name] = json.loads((self._folder / (name + _INDEX)).read_bytes())
            except FileNotFoundError:
                return None
            except (OSError, ValueError, RecursionError) as error:
                raise StorageError(f"{self._folder / name}{_INDEX} cannot be read: {type(error).__name__}") from error
        return self._indexes[name]
