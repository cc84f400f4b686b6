"""A table in a new project whose rows have owners, and that no router declares a resource of."""

from pathlib import Path

MODEL = '''

class Action(SQLModel, table=True):
    """Something that somebody asked to be done, and how many todos it reached."""

    __tablename__ = "actions"
    __table_args__ = {"sqlite_autoincrement": True}  # no id is given twice

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    owner_id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=True, index=True),
    )
    name: str = Field(max_length=50)
    affected: int
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)
'''
REVISION = """    op.create_table(
        "actions",
        sa.Column("id", BigID, autoincrement=True, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("affected", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_actions_owner_id", "actions", ["owner_id"])
"""


def add_actions(project: Path) -> None:
    """Write the model, and the table into the first revision."""
    models = project / "models.py"
    models.write_text(models.read_text() + MODEL)
    revision = project / "migrations/versions/0001_initial.py"
    upgrade, separator, downgrade = revision.read_text().partition("\n\ndef downgrade() -> None:\n")
    assert separator
    dropped = f'{separator}    op.drop_table("actions")\n'
    revision.write_text(f"{upgrade}{REVISION}{dropped}{downgrade}")
