from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException

API_KEY = "read from the environment"
app = FastAPI()


def require_key(x_api_key: Annotated[str, Header()]) -> None:
    if x_api_key != API_KEY:
        raise HTTPException(401)


@app.get("/things", dependencies=[Depends(require_key)])
def things() -> list[str]:
    return []
