"""Reads its key from the environment; `postgresql://user:password@host/name` here is documentation."""

from fastapi import FastAPI
from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    SIGNING_KEY: SecretStr = SecretStr("change-me")
    DATABASE_URL: str = "postgresql://postgres:postgres@localhost/things"


class SignIn(BaseModel):
    password: str = Field(min_length=8, examples=["correct horse battery 1"])


settings = Settings()
token_url = "/api/token2"
fake_api_key = "a1b2c3d4e5f6a7b8c9d0"
app = FastAPI()


@app.get("/things")
def things() -> list[str]:
    return []
