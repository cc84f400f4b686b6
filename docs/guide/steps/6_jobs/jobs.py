"""The background jobs, which are rows of the shop's own database."""

from database import database
from stanchion.jobs import Jobs

jobs = Jobs(database)
