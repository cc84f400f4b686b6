"""django-ninja: schemas of Pydantic over Django's models."""

from datetime import datetime
from typing import Any, Literal

from django.core.wsgi import get_wsgi_application
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django_models import Todo  # it sets Django up
from ninja import Field, NinjaAPI, Query, Schema, Status

api = NinjaAPI(docs_url=None)


class TodoIn(Schema):
    title: str = Field(min_length=1, max_length=200)
    status: Literal["active", "completed"] = "active"
    archived: bool = False


class TodoOut(Schema):
    id: int
    title: str
    status: str
    archived: bool
    created_at: datetime
    updated_at: datetime


@api.get("/todos/{todo_id}", response=TodoOut)
def read_todo(request: Any, todo_id: int) -> Todo:
    return get_object_or_404(Todo, id=todo_id)


@api.get("/todos", response=list[TodoOut])
def read_todos(request: Any, offset: int = 0, limit: int = Query(20, ge=1, le=100)) -> QuerySet[Todo]:
    return Todo.objects.order_by("id")[offset : offset + limit]


@api.post("/todos", response={201: TodoOut})
def create_todo(request: Any, payload: TodoIn) -> Status:
    return Status(201, Todo.objects.create(**payload.model_dump()))


urlpatterns = [path("api/", api.urls)]
application = get_wsgi_application()
