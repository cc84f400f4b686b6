"""What the tests of a new resource take from the template's: function by function."""

from collections.abc import Mapping

_MADE = 'made = [(await create(anyone, ada)).json()["id"] for _ in range({})]'
_IDS = '[item["id"] for item in {}.json()]'

# Of each function: what is said of a todo's title and status, and what of any row in its place. A body and a
# change are somebody's, `body(ada)`: who it is goes where they name no rows of theirs.
TAKEN: Mapping[str, Mapping[str, str]] = {
    "create": {
        'title: str = "Buy milk"': "/, **changes: object",
        'json={"title": title}': "json=await body(key, **changes)",
    },
    "test_create": {
        "response = await create(anyone, ada)": (
            "sent = await body(ada)\n    response = await create(anyone, ada, **sent)"
        ),
        '    assert item["title"] == "Buy milk"\n    assert item["status"] == "active"\n': (
            "    assert item.items() >= sent.items()\n"
        ),
    },
    "test_list_pages": {
        'for number in range(5):\n        await create(anyone, ada, f"item {number}")': _MADE.format(5),
        "titles: list[str]": "ids: list[int]",
        'titles += [item["title"] for': 'ids += [item["id"] for',
        'assert titles == [f"item {number}" for number in range(5)]': "assert ids == made",
    },
    "test_a_cursor_stays_where_it_is": {
        'for number in range(4):\n        await create(anyone, ada, f"item {number}")': _MADE.format(4),
        '[item["title"] for item in first.json()] == ["item 3", "item 2"]': (
            f"{_IDS.format('first')} == [made[3], made[2]]"
        ),
        'create(anyone, ada, "a newer one")': "create(anyone, ada)",
        '[item["title"] for item in following.json()] == ["item 1", "item 0"]': (
            f"{_IDS.format('following')} == [made[1], made[0]]"
        ),
        "&status=active": "&created_at__gt=2020-01-01T00:00:00Z",
    },
    "test_many_at_once": {
        'json=[{"title": "a"}, {"title": "b"}]': "json=[await body(ada), await body(ada)]",
        '    body = [{"id": first, "status": "completed"}, {"id": second, "title": "c"}]\n': (
            '    sent = [{"id": first, **await change(ada)}, {"id": second, **await change(ada)}]\n'
        ),
        "    assert (await anyone.patch(url, json=body, headers=bob)).status_code == 404\n": (
            '    theirs = [{"id": first, **await change(bob)}]\n'
            "    assert (await anyone.patch(url, json=theirs, headers=bob)).status_code == 404\n"
        ),
        "json=body": "json=sent",
        '[(item["title"], item["status"]) for item in changed.json()] == [\n'
        '        ("a", "completed"),\n        ("c", "active"),\n    ]': (
            "all(item.items() >= one.items() for item, one in zip(changed.json(), sent, strict=True))"
        ),
        'partly = await anyone.post(f"{url}?on_error=continue", '
        'json=[{"title": "d"}, {"title": ""}], headers=ada)': (
            "mixed = [await body(ada), await body(ada, owner_id=1)]\n"
            '    partly = await anyone.post(f"{url}?on_error=continue", json=mixed, headers=ada)'
        ),
        '    refused = await anyone.post(url, json=[{"title": "e"}, {"title": ""}], headers=ada)\n': (
            "    mixed = [await body(ada), await body(ada, owner_id=1)]\n"
            "    refused = await anyone.post(url, json=mixed, headers=ada)\n"
        ),
        '["body", 1, "title"]': '["body", 1, "owner_id"]',
        'assert [item["title"] for item in (await anyone.get(URL, headers=ada)).json()] == ["d"]': (
            "assert len((await anyone.get(URL, headers=ada)).json()) == 1"
        ),
    },
    "test_a_retry_makes_no_second_one": {
        '    key = {**ada, "Idempotency-Key": "attempt-1"}\n': (
            '    key = {**ada, "Idempotency-Key": "attempt-1"}\n    sent = await body(ada)\n'
        ),
        'json={"title": "Buy milk"}': "json=sent",
        'json={"title": "Buy bread"}': "json={**sent, **await change(ada)}",
    },
    "test_list_refuses": {
        '        "status=lost",\n': "",
        '"colour=red"': '"no_such_column=1"',
        '"sort=colour"': '"sort=no_such_column"',
    },
    "test_update_keeps_what_is_not_sent": {
        'url = created.headers["Location"]': 'url, sent = created.headers["Location"], await change(ada)',
        'json={"status": "completed"}': "json=sent",
        'assert changed.json()["title"] == "Buy milk"\n    assert changed.json()["status"] == "completed"': (
            'moment = {"updated_at": changed.json()["updated_at"]}\n'
            "    assert changed.json() == {**created.json(), **sent, **moment}"
        ),
        '{"title": None}': '{"owner_id": 1}',
    },
    "test_versions": {
        'json={"title": "first"}': "json=await change(ada)",
        'json={"title": "late"}': "json=await change(ada)",
        '.json()["title"] == "first"': ".json() == first.json()",
    },
    "test_delete": {},
    "test_everyone_elses_is_not_there": {
        'url = (await create(anyone, ada)).headers["Location"]': (
            "created, sent = await create(anyone, ada), await change(ada)\n"
            '    url = created.headers["Location"]'
        ),
        '("PUT", {"title": "mine"})': '("PUT", sent)',
        '("PATCH", {"title": "mine"})': '("PATCH", sent)',
        '.json()["title"] == "Buy milk"': ".json() == created.json()",
        "not in [\n            f": "not in [f",
        "headers=other)).json()\n        ]": "headers=other)).json()]",
    },
    "test_ids": {},
    "test_both_slashes_answer": {'json={"title": "Buy milk"}': "json=await body(ada)"},
}
