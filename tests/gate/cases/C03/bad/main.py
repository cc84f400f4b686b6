from fastapi import FastAPI

DEBUG = True
app = FastAPI(debug=DEBUG)


@app.get("/things")
def things() -> list[str]:
    return []
