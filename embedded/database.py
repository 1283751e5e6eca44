"""`python -m embedded.database ADMIN DEMO`: schema, catalogue, administrator, credit in one process.

The same as `alembic upgrade head`, `backend.manage load-catalogue`, `create-admin` and `give-credit`, but the
libraries, which take longer than the work, are imported once. Prints one line after each.
"""

from __future__ import annotations

import sys
from argparse import Namespace

from alembic import config

from backend import manage
from embedded.demo import CREDIT_MINOR


def main(admin: str, demo: str) -> None:
    config.main(argv=["--raiseerr", "upgrade", "head"], prog="alembic")
    print("{}", flush=True)
    manage.load_catalogue(Namespace())
    sys.stdout.flush()
    # After the catalogue, which brings the roles.
    manage.make_admin(Namespace(email=admin))
    sys.stdout.flush()
    # The demo customer may be there from before anything was to be paid.
    manage.give_credit(Namespace(email=[admin, demo], minor=CREDIT_MINOR))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
