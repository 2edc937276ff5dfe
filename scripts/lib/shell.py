"""What scripts/shell has done before its first prompt."""

from app import *  # noqa: F403
from app.models import *  # noqa: F403

load_sqlo()  # noqa: F405
print("list(User.select()) shows the users")
