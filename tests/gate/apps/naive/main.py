"""A backend the way many tutorials write it: each habit in it is one that the gate proves."""

import time
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import StreamingResponse
from sqlmodel import Field, Relationship, Session, SQLModel, create_engine, select

API_KEY = "not-a-real-key-of-anybody"

engine = create_engine("sqlite:///./naive.db", echo=True)


class Author(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    books: list["Book"] = Relationship(back_populates="author")


class Book(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    author_id: int = Field(foreign_key="author.id")
    author: Author = Relationship(back_populates="books")


class AuthorCreate(SQLModel):
    name: str


class AuthorResponse(AuthorCreate):
    id: int


class BookCreate(SQLModel):
    title: str
    author_id: int


class BookResponse(SQLModel):
    id: int
    title: str
    author: str


app = FastAPI()
app.add_middleware(
    CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
)


@app.on_event("startup")
def make_tables() -> None:
    """Make the tables."""
    SQLModel.metadata.create_all(engine)


def get_session():
    """One session a request."""
    with Session(engine) as session:
        yield session


def check_key(x_api_key: Annotated[str, Header()]) -> None:
    """Let nobody in without the key."""
    if x_api_key != API_KEY:
        raise HTTPException(401, "Wrong key")


SessionDep = Annotated[Session, Depends(get_session)]


@app.post("/authors", status_code=201)
async def create_author(body: AuthorCreate, session: SessionDep) -> AuthorResponse:
    """Create an author."""
    author = Author(name=body.name)
    session.add(author)
    session.commit()
    return AuthorResponse(id=author.id, name=author.name)


@app.get("/authors/{author_id}")
async def read_author(author_id: int, session: SessionDep) -> AuthorResponse:
    """Read an author."""
    author = session.get(Author, author_id)
    if author is None:
        raise HTTPException(404, "Author not found")
    return AuthorResponse(id=author.id, name=author.name)


@app.post("/books", status_code=201)
async def create_book(body: BookCreate, session: SessionDep) -> BookResponse:
    """Create a book."""
    author = session.get(Author, body.author_id)
    if author is None:
        raise HTTPException(422, "There is no such author")
    book = Book(title=body.title, author_id=body.author_id)
    session.add(book)
    session.commit()
    return BookResponse(id=book.id, title=book.title, author=author.name)


@app.get("/books")
async def list_books(session: SessionDep) -> list[BookResponse]:
    """List every book."""
    books = session.exec(select(Book)).all()
    found = []
    for book in books:
        author = session.exec(select(Author).where(Author.id == book.author_id)).one()
        found.append(BookResponse(id=book.id, title=book.title, author=author.name))
    return found


@app.get("/books/{book_id}")
async def read_book(book_id: int, session: SessionDep) -> BookResponse:
    """Read a book."""
    book = session.get(Book, book_id)
    if book is None:
        raise HTTPException(404, "Book not found")
    return BookResponse(id=book.id, title=book.title, author=book.author.name)


@app.get("/answer")
def answer() -> StreamingResponse:
    """Stream an answer, when it is whole."""

    def words():
        for number in range(10):
            time.sleep(0.04)
            yield f"data: {number}\n\n"

    return StreamingResponse(iter(list(words())), media_type="text/event-stream")


@app.get("/private", dependencies=[Depends(check_key)])
async def private() -> str:
    """What is for the key alone."""
    return "private"
