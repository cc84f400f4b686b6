"""What goes in and out: Create, Update and Response models, with examples."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import MISSING, AfterValidator, AwareDatetime, BaseModel, ConfigDict, EmailStr, Field, SecretStr

from models import TodoStatus
from stanchion.errors import ErrorDetail
from stanchion.jobs import Job, Status
from stanchion.resource import FileFormat
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
    archived: bool = False


class TodoUpdate(Schema):
    """The fields sent change, the others stay."""

    title: Title | MISSING = MISSING
    status: TodoStatus | MISSING = Field(MISSING, examples=["completed"])
    archived: bool | MISSING = Field(MISSING, examples=[False])


class TodoResponse(Schema):
    id: int = Field(examples=[7])
    title: str = Field(examples=["Buy milk"])
    status: TodoStatus
    archived: bool
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


class ArchiveCompleted(Schema):
    """Archive your completed todos."""

    name: Literal["archive_completed"]


class ImportFile(Schema):
    """Make todos of the lines of a file that you have sent: all of them, or none where one is bad."""

    name: Literal["import_file"]
    file_id: int = Field(ge=1, le=2**63 - 1, description="Of `POST /api/files`.", examples=[9])


class BuildExport(Schema):
    """Write all your todos to a file, `/api/files/{file_id}`."""

    name: Literal["build_export"]
    format: FileFormat = "ndjson"


ActionCreate = Annotated[ArchiveCompleted | ImportFile | BuildExport, Field(discriminator="name")]


class ActionResponse(Schema):
    id: int = Field(examples=[12])
    name: str = Field(examples=["build_export"])
    status: Status = Field(description="`done`, `failed` and `cancelled` are the end.", examples=["done"])
    done: int | None = Field(description="How far it is, or came before it failed, in `unit`.", examples=[3])
    total: int | None = Field(description="Of how many; null until it has begun.", examples=[3])
    unit: Literal["todos", "bytes"] = Field(
        description="What `done` and `total` count. `total` is the size of a file that is imported; half of "
        "it is `done` when all is checked, all when it is written."
    )
    message: str | None = Field(
        description="What it is doing, or was when it failed; null when it is done.", examples=["Writing"]
    )
    affected: int | None = Field(description="How many todos it reached, in the end.", examples=[3])
    file_id: int | None = Field(description="The file that it made.", examples=[9])
    error: str | None = Field(description="Why it failed.", examples=[None])
    errors: list[ErrorDetail] = Field(description="What to mend: `loc` has the line's number.", examples=[[]])
    created_at: AwareDatetime
    finished_at: AwareDatetime | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job: why it failed in its own words where it was refused, else nothing of the server's."""
        outcome = job.result or {}
        failure = job.error if job.status is Status.failed else None
        refused = failure if failure and failure.is_refusal else None
        return cls(
            id=job.id,
            name=job.name,
            status=job.status,
            done=job.done,
            total=job.total,
            unit="bytes" if job.name == "import_file" else "todos",
            message=None if job.status is Status.done else job.message,
            affected=outcome.get("affected"),
            file_id=outcome.get("file_id"),
            error=refused.message if refused else "It could not be done." if failure else None,
            errors=(refused.details or {}).get("errors", []) if refused else [],
            created_at=job.created_at,
            finished_at=job.finished_at,
        )


class StoredFile(Schema):
    id: int = Field(examples=[9])
    format: FileFormat
    size: int = Field(description="Bytes.", examples=[4096])
    created_at: AwareDatetime


class StreamCreate(Schema):
    prompt: Text = Field(min_length=1, max_length=200, examples=["Tell me about todos"])
