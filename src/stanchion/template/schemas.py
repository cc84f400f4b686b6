"""What goes in and out: Create, Update and Response models, with examples."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import MISSING, AfterValidator, AwareDatetime, BaseModel, ConfigDict, EmailStr, Field, SecretStr

from models import TodoStatus
from stanchion.jobs import Job, Status
from stanchion.schemas import Text, email_key
from stanchion.security import Password

Title = Annotated[Text, Field(min_length=1, max_length=200, examples=["Buy milk"])]
Name = Annotated[Text, Field(min_length=1, max_length=100, examples=["Ada Lovelace"])]


def check_email(email: str) -> str:
    """Refuse one whose normal form is too long for its column: folding may lengthen it."""
    if len(email_key(email)) > 254:
        raise ValueError("The address is too long.")
    return email


Email = Annotated[EmailStr, AfterValidator(check_email), Field(max_length=254, examples=["ada@example.com"])]


class Schema(BaseModel):
    """The base of every schema: a field that it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Welcome(Schema):
    message: str = Field(examples=["Todo API"])


class TodoCreate(Schema):
    title: Title
    status: TodoStatus = TodoStatus.active


class TodoUpdate(Schema):
    """The fields sent change, the others stay."""

    title: Title | MISSING = MISSING
    status: TodoStatus | MISSING = Field(MISSING, examples=["completed"])


class TodoResponse(Schema):
    id: int = Field(examples=[7])
    title: str = Field(examples=["Buy milk"])
    status: TodoStatus
    created_at: AwareDatetime
    updated_at: AwareDatetime


class UserCreate(Schema):
    email: Email
    name: Name
    password: Password


class UserResponse(Schema):
    id: int = Field(examples=[1])
    email: str = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada Lovelace"])
    created_at: AwareDatetime


class KeyCreate(Schema):
    email: Email
    password: SecretStr = Field(max_length=1024, examples=["correct horse battery"])
    name: Name = Field("api", examples=["laptop"])
    scopes: list[Literal["read", "write"]] = Field(["read", "write"], min_length=1, max_length=2)
    expires_in_days: int | None = Field(
        None, ge=1, le=3650, description="Without it, the key does not expire.", examples=[365]
    )


class KeyResponse(Schema):
    id: int = Field(examples=[3])
    name: str = Field(examples=["laptop"])
    prefix: str = Field(description="What the key begins with, to know it by.", examples=["st_ab2cd3ef"])
    scopes: list[str] = Field(examples=[["read", "write"]])
    created_at: AwareDatetime
    expires_at: datetime | None


class KeyCreated(KeyResponse):
    key: str = Field(
        description="The key. It is shown this once.",
        examples=["st_ab2cd3ef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"],
    )


class ActionName(StrEnum):
    """What can be asked for."""

    complete_all = "complete_all"
    clear_completed = "clear_completed"


class ActionCreate(Schema):
    name: ActionName


def why(job: Job) -> str | None:
    """Say why an action failed: in its own words where it gave up, and else nothing of the server's."""
    if job.status is not Status.failed or job.error is None:
        return None
    return job.error.message if job.error.type == "GiveUpError" else "It could not be done."


class ActionResponse(Schema):
    id: int = Field(examples=[12])
    name: ActionName
    status: Status = Field(description="`done`, `failed` and `cancelled` are the end.", examples=["done"])
    done: int | None = Field(description="How far it is.", examples=[3])
    total: int | None = Field(description="Of how many, where that is known.", examples=[3])
    message: str | None = Field(description="What it is doing.", examples=["Completing"])
    affected: int | None = Field(description="How many todos it reached, in the end.", examples=[3])
    error: str | None = Field(description="Why it failed.", examples=[None])
    created_at: AwareDatetime
    finished_at: AwareDatetime | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job; what its functions return is how many they reached."""
        return cls(
            id=job.id,
            name=ActionName(job.name),
            status=job.status,
            done=job.done,
            total=job.total,
            message=job.message,
            affected=job.result,
            error=why(job),
            created_at=job.created_at,
            finished_at=job.finished_at,
        )


class StreamCreate(Schema):
    prompt: Text = Field(min_length=1, max_length=200, examples=["Tell me about todos"])
