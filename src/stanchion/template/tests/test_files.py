"""Files: sent, read by whoever sent them, and by nobody else."""

import anyio
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


async def test_your_files_are_listed_newest_first(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers
) -> None:
    from database import database
    from models import File

    sent = [
        (await anyone.post("/api/files", content=b"title\r\n", headers=ada | KIND)).json() for _ in range(3)
    ]
    me = (await anyone.get("/api/users/me", headers=ada)).json()["id"]
    async with database.transaction() as session:
        session.add(File(owner_id=me))  # one that is still being written
    first = await anyone.get("/api/files?limit=2&count=exact", headers=ada)
    assert (first.json(), first.headers["X-Total-Count"]) == ([sent[2], sent[1]], "3")
    assert (await anyone.get(first.links["next"]["url"], headers=ada)).json() == [sent[0]]
    assert (await anyone.get("/api/files?sort=id", headers=ada)).json() == sent
    assert (await anyone.get("/api/files", headers=bob)).json() == []


async def test_a_file_is_deleted_by_its_owner(anyone: httpx2.AsyncClient, ada: Headers, bob: Headers) -> None:
    from database import database
    from models import FilePart

    sent = await anyone.post("/api/files", content=b"title\r\n", headers=ada | KIND)
    url = sent.headers["Location"]
    refused = await anyone.delete(url, headers=bob)
    assert (refused.status_code, refused.json()["error"]) == (404, "file_not_found")
    assert (await anyone.get(url, headers=ada)).status_code == 200
    deleted = await anyone.delete(url, headers=ada)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "DELETE"):
        assert (await anyone.request(method, url, headers=ada)).status_code == 404
    async with database.read() as session:
        assert await session.get(FilePart, (sent.json()["id"], 0)) is None


async def test_a_users_files_hold_so_much_in_all(
    anyone: httpx2.AsyncClient,
    ada: Headers,
    bob: Headers,
    service: Headers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from settings import settings

    monkeypatch.setattr(settings, "MAX_STORED_BYTES", 20)
    for headers in (ada, bob, service):
        sent = await anyone.post("/api/files", content=b"x" * 20, headers=headers | KIND)
        assert sent.status_code == 201
    refused = await anyone.post("/api/files", content=b"x", headers=ada | KIND)
    assert (refused.status_code, refused.json()["error"]) == (413, "storage_full")
    assert refused.json()["detail"] == "Your files hold 20 of 20 bytes; 1 more do not fit: delete some."
    assert (await anyone.post("/api/files", content=b"x", headers=service | KIND)).status_code == 201
    (full,) = (await anyone.get("/api/files", headers=ada)).json()
    assert (await anyone.delete(f"/api/files/{full['id']}", headers=ada)).status_code == 204
    assert (await anyone.post("/api/files", content=b"x", headers=ada | KIND)).status_code == 201


async def test_of_two_that_are_sent_at_once_the_second_counts_the_first(
    anyone: httpx2.AsyncClient, ada: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from settings import settings

    monkeypatch.setattr(settings, "MAX_STORED_BYTES", 30)
    statuses: list[int] = []

    async def send() -> None:
        sent = await anyone.post("/api/files", content=b"x" * 20, headers=ada | KIND)
        statuses.append(sent.status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(send)
    assert sorted(statuses) == [201, 413, 413, 413]
