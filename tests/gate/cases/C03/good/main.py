from fastapi import FastAPI
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    DEBUG: bool = False


settings = Settings()
app = FastAPI(debug=settings.DEBUG)


@app.get("/things")
def things() -> list[str]:
    return []
