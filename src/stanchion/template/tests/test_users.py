"""Users and their keys: signing up, signing in, and who may act for whom."""

import secrets

import httpx2
import pytest

from stanchion.security import SignInLimit

pytestmark = pytest.mark.anyio
Headers = dict[str, str]


def account(**changes: str) -> dict[str, str]:
    return {
        "email": f"{secrets.token_hex(8)}@example.com",
        "name": "Ada",
        "password": "correct horse",
        **changes,
    }


async def test_sign_up(anyone: httpx2.AsyncClient) -> None:
    body = account()
    response = await anyone.post("/api/users", json=body)
    assert response.status_code == 201
    assert response.headers["Location"] == "/api/users/me"
    assert set(response.json()) == {"id", "email", "name", "created_at"}
    again = await anyone.post("/api/users", json={**body, "email": body["email"].upper()})
    assert again.status_code == 409
    assert again.json()["error"] == "email_taken"


async def test_sign_up_is_limited(anyone: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = SignInLimit("1/hour", message="Too many.", code="sign_up_limit")
    monkeypatch.setattr("routers.users.sign_up_limit", limit)
    assert (await anyone.post("/api/users", json=account())).status_code == 201
    refused = await anyone.post("/api/users", json=account())
    assert (refused.status_code, refused.json()["error"]) == (429, "sign_up_limit")
    assert int(refused.headers["Retry-After"]) > 3000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("name", ""),
        ("password", "7777777"),
        ("password", "x" * 10_000),
        ("name", "a\x00b"),
    ],
)
async def test_sign_up_refuses(anyone: httpx2.AsyncClient, field: str, value: str) -> None:
    response = await anyone.post("/api/users", json=account(**{field: value}))
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", field]
    assert value not in response.text or not value


async def test_me(anyone: httpx2.AsyncClient, ada: Headers, service: Headers) -> None:
    me = await anyone.get("/api/users/me", headers=ada)
    assert me.status_code == 200
    bearer = {"Authorization": f"Bearer {ada['X-API-Key']}"}
    assert (await anyone.get("/api/users/me", headers=bearer)).json() == me.json()
    assert (await anyone.get("/api/users/me", headers=service)).status_code == 404
    acting = {**service, "X-User-ID": str(me.json()["id"])}
    assert (await anyone.get("/api/users/me", headers=acting)).json() == me.json()


async def test_a_key_acts_for_its_user_alone(anyone: httpx2.AsyncClient, ada: Headers, bob: Headers) -> None:
    me = (await anyone.get("/api/users/me", headers=ada)).json()["id"]
    assert (await anyone.get("/api/todos", headers={**ada, "X-User-ID": str(me)})).status_code == 200
    refused = await anyone.get("/api/todos", headers={**bob, "X-User-ID": str(me)})
    assert (refused.status_code, refused.json()["error"]) == (403, "other_user")


@pytest.mark.parametrize("named", ["", "0", "-1", "x", "999999999", str(2**63), " 1"])
async def test_the_service_names_a_user_that_exists(
    anyone: httpx2.AsyncClient, service: Headers, named: str
) -> None:
    response = await anyone.get("/api/todos", headers={**service, "X-User-ID": named})
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["header", "X-User-ID"]


async def test_repeated_headers(anyone: httpx2.AsyncClient, ada: Headers, service: Headers) -> None:
    twice = [*service.items(), ("X-User-ID", "1"), ("X-User-ID", "1")]
    assert (await anyone.get("/api/todos", headers=twice)).status_code == 422
    differ = [*service.items(), *ada.items()]
    refused = await anyone.get("/api/todos", headers=differ)
    assert (refused.status_code, refused.json()["error"]) == (401, "keys_differ")


async def test_keys(anyone: httpx2.AsyncClient) -> None:
    body = account()
    await anyone.post("/api/users", json=body)
    sign_in = {"email": body["email"].upper(), "password": body["password"]}
    created = await anyone.post("/api/keys", json={**sign_in, "name": "laptop", "scopes": ["read"]})
    assert created.status_code == 201
    key = created.json()
    assert key["key"].startswith(key["prefix"] + "_")
    reader = {"X-API-Key": key["key"]}
    listed = (await anyone.get("/api/keys", headers=reader)).json()
    assert [item["id"] for item in listed] == [key["id"]]
    assert "key" not in listed[0]
    refused = await anyone.post("/api/todos", json={"title": "Buy milk"}, headers=reader)
    assert (refused.status_code, refused.json()["error"]) == (403, "scope_missing")
    assert (await anyone.post("/api/todos/events/ticket", headers=reader)).status_code == 201
    writer = {"X-API-Key": (await anyone.post("/api/keys", json=sign_in)).json()["key"]}
    assert (await anyone.delete(f"/api/keys/{key['id']}", headers=writer)).status_code == 204
    assert (await anyone.delete(f"/api/keys/{key['id']}", headers=writer)).status_code == 404
    assert (await anyone.get("/api/keys", headers=reader)).status_code == 401


async def test_nobody_revokes_anothers_key(anyone: httpx2.AsyncClient, ada: Headers, bob: Headers) -> None:
    key = (await anyone.get("/api/keys", headers=ada)).json()[0]
    assert (await anyone.delete(f"/api/keys/{key['id']}", headers=bob)).status_code == 404
    assert (await anyone.get("/api/keys", headers=ada)).status_code == 200


async def test_guessing_is_slow(anyone: httpx2.AsyncClient) -> None:
    body = account()
    await anyone.post("/api/users", json=body)
    guess = {"email": body["email"], "password": "wrong horse"}
    answers = [await anyone.post("/api/keys", json=guess) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[0].json()["detail"] == "Wrong email or password"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    unknown = await anyone.post("/api/keys", json={**guess, "email": account()["email"]})
    assert (unknown.status_code, unknown.json()["detail"]) == (401, "Wrong email or password")
