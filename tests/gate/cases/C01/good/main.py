from fastapi import FastAPI
from pydantic import BaseModel


class Thing(BaseModel, from_attributes=True):
    name: str


class Named:
    def __init__(self, name: str):
        self.name = name


app = FastAPI()


@app.get("/things/{name}")
def read_thing(name: str) -> Thing:
    return Thing(name=name)


@app.get("/named/{name}", response_model=Thing)
def read_named(name: str):
    return Named(name)


def _private(name):
    return name
