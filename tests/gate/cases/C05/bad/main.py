from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Thing(BaseModel):
    name: str


app = FastAPI()
things: dict[str, Thing] = {}


def found(name: str) -> Thing:
    if name not in things:
        raise HTTPException(404)
    return things[name]


@app.get("/things")
def list_things() -> list[Thing]:
    return list(things.values())


@app.post("/things", status_code=201)
def create_thing(body: Thing) -> Thing:
    things[body.name] = body
    return body


@app.get("/things/{name}")
def read_thing(name: str) -> Thing:
    return found(name)


@app.put("/things/{name}")
def replace_thing(name: str, body: Thing) -> Thing:
    found(name)
    things[name] = body
    return body


@app.delete("/things/{name}", status_code=204)
def delete_thing(name: str) -> None:
    found(name)
    del things[name]


@app.get("/things/{name}/length")
def read_length(name: str) -> int:
    return len(found(name).name)
