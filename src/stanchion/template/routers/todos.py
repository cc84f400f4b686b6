"""/api/todos: each caller's own."""

from dependencies import Resource
from models import Todo
from schemas import TodoCreate, TodoResponse, TodoUpdate

todos = Resource(
    Todo,
    create=TodoCreate,
    update=TodoUpdate,
    response=TodoResponse,
    owner="owner_id",
    filters=["status", "archived", "title", "created_at", "updated_at"],
    sort=["created_at", "title"],
)
router = todos.router(prefix="/api/todos", tags=["todos"])
