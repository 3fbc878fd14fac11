"""Writes documents to a folder, each whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from amazon_ae._exceptions import StorageError
from amazon_ae._models.checks import check_path
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet
from amazon_ae._models.hidden import sealed

__all__ = ["save_documents", "write_atomically"]


def save_documents(
    papers: DocumentSet | Mapping[DocumentKind, Document], folder: str | Path
) -> dict[DocumentKind, Path]:
    """Write the documents that arrived to ``<folder>/<order id>-<kind>.pdf``; each file is whole or not there at all.

    Returns:
        The path per kind; kinds that failed are left out (``papers.failed`` says why).

    Raises:
        ConfigurationError: ``folder`` is no path.
        StorageError: the disk is full or the folder cannot be written. Files already complete stay; call again.
    """
    ready = papers.ready if isinstance(papers, DocumentSet) else papers
    target = check_path("folder", folder)
    paths: dict[DocumentKind, Path] = {}
    for kind, document in ready.items():
        path = target / f"{document.order_id}-{document.file_name}"
        write_atomically(path, document.content)
        paths[kind] = path
    return paths


@sealed
def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, flush to the disk, then replace.

    Raises:
        StorageError: nothing was changed, no half file is left.
    """
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
        _flush_folder(path.parent)
    except BaseException as error:
        if name:
            with contextlib.suppress(OSError):
                os.unlink(name)
        if isinstance(error, OSError):
            raise StorageError(f"{path} cannot be written: {error.strerror}; free space and save again") from None
        raise


def _flush_folder(folder: Path) -> None:
    """Make a new name durable, where the system can (Windows cannot open a folder)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
