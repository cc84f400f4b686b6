"""The files of the template that a project is made of: a list, so that nothing else is ever copied."""

FILES = (
    ".env.example",
    ".gitignore",
    "AGENTS.md",
    "README.md",
    "database.py",
    "dependencies.py",
    "files.py",
    "jobs.py",
    "main.py",
    "migrations/versions/0001_initial.py",
    "models.py",
    "pyproject.toml",
    "requirements.txt",
    "routers/__init__.py",
    "routers/actions.py",
    "routers/files.py",
    "routers/keys.py",
    "routers/stream.py",
    "routers/todos.py",
    "routers/users.py",
    "schemas.py",
    "settings.py",
    "tests/conftest.py",
    "tests/test_actions.py",
    "tests/test_contract.py",
    "tests/test_files.py",
    "tests/test_todos.py",
    "tests/test_users.py",
)

LEFT_OUT: tuple[str, ...] = ()
"""Files of the template that stay behind, on purpose. What is in neither list fails a test."""
