"""Files: sent, read by whoever sent them, and by nobody else."""

import httpx2
import pytest

pytestmark = pytest.mark.anyio
Headers = dict[str, str]
KIND = {"Content-Type": "text/csv"}


async def test_a_file_comes_back_as_it_was(anyone: httpx2.AsyncClient, ada: Headers, bob: Headers) -> None:
    content = b"title\r\n\xff\x00 is no title\r\n"
    sent = await anyone.post("/api/files?format=csv", content=content, headers=ada | KIND)
    assert (sent.status_code, sent.json()["format"], sent.json()["size"]) == (201, "csv", len(content))
    url = sent.headers["Location"]
    read = await anyone.get(url, headers=ada)
    assert (read.content, read.headers["Content-Length"]) == (content, str(len(content)))
    assert read.headers["Content-Type"].startswith("text/csv")
    assert (await anyone.get(url, headers=bob)).status_code == 404


@pytest.mark.parametrize(
    ("query", "kind", "form"),
    [
        ("", "text/csv; charset=utf-8", "csv"),
        ("", "application/x-ndjson", "ndjson"),
        ("", "application/x-www-form-urlencoded", "ndjson"),  # curl's, of --data-binary
        ("?format=ndjson", "text/csv", "ndjson"),
    ],
)
async def test_its_format(anyone: httpx2.AsyncClient, ada: Headers, query: str, kind: str, form: str) -> None:
    sent = await anyone.post(f"/api/files{query}", content=b"title\r\n", headers=ada | {"Content-Type": kind})
    assert (sent.status_code, sent.json()["format"]) == (201, form)


async def test_a_form_is_no_file(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    refused = await anyone.post("/api/files", files={"file": ("n.csv", b"title\r\n")}, headers=ada)
    assert (refused.status_code, refused.json()["error"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("query", "content", "status"),
    [("", b"", 422), ("?format=xlsx", b"title\r\n", 422), ("", b"x" * 2_000_000, 413)],
)
async def test_what_is_no_file(
    anyone: httpx2.AsyncClient, ada: Headers, query: str, content: bytes, status: int
) -> None:
    refused = await anyone.post(f"/api/files{query}", content=content, headers=ada | KIND)
    assert refused.status_code == status


@pytest.mark.parametrize(("file_id", "status"), [(2**63 - 1, 404), (2**63, 422), (0, 422), ("x", 422)])
async def test_ids(anyone: httpx2.AsyncClient, ada: Headers, file_id: object, status: int) -> None:
    assert (await anyone.get(f"/api/files/{file_id}", headers=ada)).status_code == status
