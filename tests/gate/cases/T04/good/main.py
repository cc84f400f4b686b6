from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI()
projects: dict[int, "Project"] = {}
tasks: dict[int, "Task"] = {}


class ProjectCreate(BaseModel):
    name: str = Field(max_length=50)


class Project(ProjectCreate):
    id: int


class TaskCreate(BaseModel):
    title: str = Field(max_length=50)


class Task(TaskCreate):
    id: int
    project_id: int


def find_project(project_id: int) -> Project:
    """Return a project, or answer 404."""
    if project_id not in projects:
        raise HTTPException(404, "Project not found")
    return projects[project_id]


def find_task(project_id: int, task_id: int) -> Task:
    """Return a task of the project, or answer 404."""
    find_project(project_id)
    task = tasks.get(task_id)
    if task is None or task.project_id != project_id:
        raise HTTPException(404, "Task not found")
    return task


@app.post("/projects", status_code=201)
async def create_project(body: ProjectCreate) -> Project:
    """Create a project."""
    project = Project(id=len(projects) + 1, **body.model_dump())
    projects[project.id] = project
    return project


@app.get("/projects/{project_id}")
async def read_project(project_id: int) -> Project:
    """Read a project."""
    return find_project(project_id)


@app.post("/projects/{project_id}/tasks", status_code=201)
async def create_task(project_id: int, body: TaskCreate) -> Task:
    """Create a task."""
    find_project(project_id)
    task = Task(id=len(tasks) + 1, project_id=project_id, **body.model_dump())
    tasks[task.id] = task
    return task


@app.get("/projects/{project_id}/tasks")
async def list_tasks(project_id: int, limit: int = 50) -> list[Task]:
    """List the tasks of a project."""
    find_project(project_id)
    return [task for task in tasks.values() if task.project_id == project_id][:limit]


@app.get("/projects/{project_id}/tasks/{task_id}")
async def read_task(project_id: int, task_id: int) -> Task:
    """Read a task."""
    return find_task(project_id, task_id)


@app.patch("/projects/{project_id}/tasks/{task_id}")
async def update_task(project_id: int, task_id: int, body: TaskCreate) -> Task:
    """Change a task."""
    task = find_task(project_id, task_id)
    task.title = body.title
    return task


@app.delete("/projects/{project_id}/tasks/{task_id}", status_code=204)
async def delete_task(project_id: int, task_id: int) -> None:
    """Delete a task."""
    del tasks[find_task(project_id, task_id).id]
