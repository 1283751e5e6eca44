"""`python -m embedded.database EMAIL`: schema, catalogue and administrator in one process.

The same as `alembic upgrade head`, `backend.manage load-catalogue` and `create-admin`, but the libraries,
which take longer than the work, are imported once. Prints one line after each.
"""

from __future__ import annotations

import sys
from argparse import Namespace

from alembic import config

from backend import manage


def main(email: str) -> None:
    config.main(argv=["--raiseerr", "upgrade", "head"], prog="alembic")
    print("{}", flush=True)
    manage.load_catalogue(Namespace())
    sys.stdout.flush()
    # After the catalogue, which brings the roles.
    manage.make_admin(Namespace(email=email))


if __name__ == "__main__":
    main(sys.argv[1])
