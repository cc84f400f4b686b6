from fastapi import FastAPI

app = FastAPI()


@app.get("/things/{name}")
def read_thing(name):
    return {"name": name}
