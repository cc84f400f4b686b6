from fastapi import APIRouter, HTTPException

from schemas import Thing

router = APIRouter(prefix="/things")
things: dict[str, Thing] = {}


def found(name: str) -> Thing:
    if name not in things:
        raise HTTPException(404)
    return things[name]


@router.get("")
def list_things() -> list[Thing]:
    return list(things.values())


@router.post("", status_code=201)
def create_thing(body: Thing) -> Thing:
    things[body.name] = body
    return body


@router.get("/{name}")
def read_thing(name: str) -> Thing:
    return found(name)


@router.put("/{name}")
def replace_thing(name: str, body: Thing) -> Thing:
    found(name)
    things[name] = body
    return body


@router.delete("/{name}", status_code=204)
def delete_thing(name: str) -> None:
    found(name)
    del things[name]


@router.get("/{name}/length")
def read_length(name: str) -> int:
    return len(found(name).name)
