from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query
from sqlmodel import Field, Session, SQLModel, create_engine, select



def database_url() -> str:
    """Return where the things are."""
    return "sqlite:///./things.db"


engine = create_engine(database_url())


class Author(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


class Book(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    author_id: int = Field(foreign_key="author.id")


class AuthorCreate(SQLModel):
    name: str


class AuthorResponse(AuthorCreate):
    id: int


class BookCreate(SQLModel):
    title: str
    author_id: int


class BookResponse(BookCreate):
    id: int
    author: str


def get_session() -> Iterator[Session]:
    """One session a request, closed whatever happens."""
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    """Make the tables."""
    SQLModel.metadata.create_all(engine)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/authors", status_code=201)
def create_author(body: AuthorCreate, session: SessionDep) -> AuthorResponse:
    """Create an author."""
    author = Author(**body.model_dump())
    session.add(author)
    session.commit()
    return AuthorResponse(id=author.id, name=author.name)


@app.get("/authors/{author_id}")
def read_author(author_id: int, session: SessionDep) -> AuthorResponse:
    """Read an author."""
    author = session.get(Author, author_id)
    if author is None:
        raise HTTPException(404, "Author not found")
    return AuthorResponse(id=author.id, name=author.name)


@app.get("/books")
def list_books(session: SessionDep, limit: Annotated[int, Query(le=100)] = 50) -> list[BookResponse]:
    """List books."""
    rows = session.exec(select(Book, Author.name).join(Author).order_by(Book.id).limit(limit)).all()
    return [BookResponse(**book.model_dump(), author=name) for book, name in rows]


@app.post("/books", status_code=201)
def create_book(body: BookCreate, session: SessionDep) -> BookResponse:
    """Create a book."""
    author = session.get(Author, body.author_id)
    if author is None:
        raise HTTPException(422, "There is no such author")
    book = Book(**body.model_dump())
    session.add(book)
    session.commit()
    session.refresh(book)
    return BookResponse(**book.model_dump(), author=author.name)


@app.get("/books/{book_id}")
def read_book(book_id: int, session: SessionDep) -> BookResponse:
    """Read a book."""
    row = session.exec(select(Book, Author.name).join(Author).where(Book.id == book_id)).first()
    if row is None:
        raise HTTPException(404, "Book not found")
    return BookResponse(**row[0].model_dump(), author=row[1])
