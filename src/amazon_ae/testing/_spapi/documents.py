"""Documents behind pre-signed URLs, with the rules of Amazon S3.

Sources: "Feeds API use case guide" (upload with the very content type of createFeedDocument, URL valid 300 s); Amazon
S3, "Authenticating requests: using query parameters" (signed headers, one way to authenticate, expiry) and "Error
responses". The URL must come back byte for byte: S3 itself would forgive some re-quoting, no client should rely on it.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import tarfile
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

import attrs

from amazon_ae.testing._network import Answer
from amazon_ae.testing._spapi.wire import Refused

__all__ = ["BUCKET_PATH", "Document", "DocumentStore", "tar_gz", "zip_of"]

AMAZON_ORIGIN: Final = "https://tortuga-prod-eu.s3-eu-west-1.amazonaws.com"
BUCKET_PATH: Final = "/tortuga-prod-eu/"
"""The path below which a served fake keeps its documents."""
_URL_SECONDS: Final = 300
_KEY: Final = b"amazon-ae sandbox s3"


@attrs.define(kw_only=True)
class Document:
    """One stored document; ``content`` is ``None`` until it is uploaded."""

    document_id: str
    content_type: str
    content: bytes | None = attrs.field(default=None, repr=False)
    compression: str | None = None
    is_lost: bool = False


class DocumentStore:
    """The documents of one seller."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    def add(
        self, kind: str, content_type: str, content: bytes | None = None, *, compress: bool = False, region: str = "eu"
    ) -> Document:
        """Store a document, or reserve one that will be uploaded."""
        number = len(self.documents) + 1
        text = hashlib.sha256(f"{kind} {number}".encode()).hexdigest()
        uuid = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
        document = Document(
            document_id=f"amzn1.{kind}.4.{region}.{uuid}.T{text[32:44].upper()}",
            content_type=content_type,
            content=gzip.compress(content, mtime=0) if compress and content is not None else content,
            compression="GZIP" if compress else None,
        )
        self.documents[document.document_id] = document
        return document

    def url(
        self,
        document_id: str,
        method: str,
        origin: str,
        now: datetime,
        *,
        seconds: int = _URL_SECONDS,
        content_encoding: str = "",
    ) -> str:
        """A pre-signed URL: for PUT it signs the content type too."""
        base = AMAZON_ORIGIN + "/" if origin.endswith(".amazon.com") else origin + BUCKET_PATH
        path = urlsplit(base).path + quote(document_id, safe="")
        day = now.astimezone(UTC)
        credential = quote(f"AKIASANDBOXSANDBOX00/{day:%Y%m%d}/eu-west-1/s3/aws4_request", safe="")
        signed = "content-type%3Bhost" if method == "PUT" else "host"
        query = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={day:%Y%m%dT%H%M%SZ}&X-Amz-SignedHeaders={signed}"
            f"&X-Amz-Expires={seconds}&X-Amz-Credential={credential}"
        )
        if content_encoding:
            query += f"&response-content-encoding={content_encoding}"
        content_type = self.documents[document_id].content_type if method == "PUT" else ""
        host = urlsplit(base).netloc
        signature = _sign(method, path, query, content_type, host)
        return f"{urlsplit(base).scheme}://{host}{path}?{query}&X-Amz-Signature={signature}"

    def handle(self, method: str, url: str, headers: dict[str, str], body: bytes, now: datetime) -> Answer:
        """Answer PUT and GET of a pre-signed URL.

        Raises:
            Refused: with S3's code.
        """
        parts = urlsplit(url)
        query, _, signature = parts.query.rpartition("&X-Amz-Signature=")
        document = self.documents.get(parts.path.rpartition("/")[2])
        _check_headers(headers)
        values = dict(parse_qsl(query))
        if document is None or not signature:
            raise Refused(403, "AccessDenied", "Access Denied")
        content_type = headers.get("content-type", "") if method == "PUT" else ""
        expected = _sign(method, parts.path, query, content_type, headers.get("host", parts.netloc))
        if not hmac.compare_digest(signature, expected):
            raise Refused(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and "
                "signing method.",
            )
        _check_age(values, now)
        if method == "PUT":
            return _put(document, headers, body)
        if document.content is None or document.is_lost:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        answer_headers = [
            ("Content-Type", document.content_type),
            ("ETag", f'"{hashlib.sha256(document.content).hexdigest()[:32]}"'),
        ]
        if values.get("response-content-encoding"):
            answer_headers.append(("Content-Encoding", values["response-content-encoding"]))
        return Answer(200, answer_headers, document.content)


def _put(document: Document, headers: dict[str, str], body: bytes) -> Answer:
    if "chunked" in headers.get("transfer-encoding", ""):
        raise Refused(
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            "<Header>Transfer-Encoding</Header>",
        )
    if "content-length" not in headers:
        raise Refused(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    document.content = body
    return Answer(200, [("ETag", f'"{hashlib.sha256(body).hexdigest()[:32]}"')], b"")


def _check_headers(headers: dict[str, str]) -> None:
    if "authorization" in headers:
        raise Refused(
            400,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified",
        )
    unsigned = sorted(name for name in headers if name.startswith("x-amz-"))
    if unsigned:
        raise Refused(
            403,
            "AccessDenied",
            "There were headers present in the request which were not signed",
            f"<HeadersNotSigned>{', '.join(unsigned)}</HeadersNotSigned>",
        )


def _check_age(values: dict[str, str], now: datetime) -> None:
    signed_at = datetime.strptime(values["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ends_at = signed_at + timedelta(seconds=int(values["X-Amz-Expires"]))
    if now > ends_at:
        raise Refused(
            403,
            "AccessDenied",
            "Request has expired",
            f"<X-Amz-Expires>{values['X-Amz-Expires']}</X-Amz-Expires><Expires>{ends_at:%Y-%m-%dT%H:%M:%SZ}</Expires>"
            f"<ServerTime>{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</ServerTime>",
        )


def _sign(method: str, path: str, query: str, content_type: str, host: str) -> str:
    text = "\n".join((method, path, query, content_type, host))
    return hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A gzip of a tar archive, equal for equal files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def zip_of(files: dict[str, bytes]) -> bytes:
    """A ZIP archive, equal for equal files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()
