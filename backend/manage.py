"""Commands for whoever runs an installation: `python -m backend.manage --help`."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from backend import models  # noqa: F401  (the mapper needs all of them)
from backend.billing.ledger import opening, verification
from backend.catalogue import loading
from backend.config import ROOT, Settings, get_settings
from backend.database import Database
from backend.engines.base import EngineError
from backend.engines.registry import make_engine
from backend.oauth import keys
from backend.oauth.clients import ensure_clients
from backend.roles.shipped import ensure_roles
from backend.users.administrator import create_admin, vouch

DOCUMENT = ROOT / "openapi" / "openapi.json"
T = TypeVar("T")


def in_transaction(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def run() -> T:
        database = Database(get_settings(), pool_size=2)
        try:
            async with database.transaction() as session:
                return await work(session)
        finally:
            await database.close()

    return asyncio.run(run())


def load_catalogue(_: argparse.Namespace) -> int:
    async def work(session: AsyncSession) -> str:
        await ensure_roles(session)
        await ensure_clients(session)
        return await loading.load(session, get_settings())

    print(json.dumps({"catalogue": in_transaction(work)}))
    return 0


def make_admin(arguments: argparse.Namespace) -> int:
    async def work(session: AsyncSession) -> dict[str, object]:
        user, password = await create_admin(session, arguments.email)
        return {"email": user.email, "created": password is not None, "password": password}

    print(json.dumps(in_transaction(work)))
    return 0


def verify_email(arguments: argparse.Namespace) -> int:
    async def work(session: AsyncSession) -> bool:
        return await vouch(session, arguments.email)

    known = in_transaction(work)
    print(json.dumps({"email": arguments.email, "verified": known}))
    return 0 if known else 1


def give_credit(arguments: argparse.Namespace) -> int:
    async def work(session: AsyncSession) -> dict[str, str]:
        if not get_settings().billing_enabled:
            return {}
        given = {one: await opening.give(session, one, arguments.minor) for one in arguments.email}
        return {one: words for one, words in given.items() if words}

    print(json.dumps({"credit": in_transaction(work)}))
    return 0


def verify_ledger(_: argparse.Namespace) -> int:
    async def work() -> verification.Verified | None:
        database = Database(get_settings(), pool_size=2)
        try:
            return await verification.verify(database, whole=True)
        finally:
            await database.close()

    found = asyncio.run(work())
    if found is None:
        print("The ledger is being posted to or verified. Try again.", file=sys.stderr)
        return 1
    wrong = [f"{one.what} {one.id}: says {one.says}, is {one.is_}" for one in found.wrong]
    print(json.dumps({"accounts": found.accounts, "entries": found.entries, "wrong": wrong}))
    return 1 if wrong else 0


def rotate_keys(arguments: argparse.Namespace) -> int:
    async def work(session: AsyncSession) -> str | None:
        return await keys.rotate(session, get_settings(), compromised=arguments.compromised)

    print(json.dumps({"kid": in_transaction(work)}))
    return 0


def stop_apps(_: argparse.Namespace) -> int:
    engine = make_engine(get_settings())

    print(json.dumps({"stopped": asyncio.run(engine.rest())}))
    return 0


def examine_engine(arguments: argparse.Namespace) -> int:
    engine = make_engine(get_settings())

    async def cautions() -> list[str]:
        return [caution.code for caution in (await engine.info()).warnings]

    async def work() -> list[str]:
        if arguments.caution and arguments.caution not in (found := await cautions()):
            return found
        try:
            await engine.examine()
        except EngineError as error:
            print(error.message, file=sys.stderr)
        return await cautions()

    print(json.dumps({"cautions": asyncio.run(work())}))
    return 0


def export_openapi(arguments: argparse.Namespace) -> int:
    from backend.main import create_app
    from backend.openapi import export

    with tempfile.TemporaryDirectory() as nowhere:
        document = export(create_app(_settings_of(Path(nowhere))))
    if arguments.check:
        if DOCUMENT.exists() and DOCUMENT.read_bytes() == document:
            return 0
        print("openapi/openapi.json is not what the code says: run `make openapi`", file=sys.stderr)
        return 1
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_bytes(document)
    print(f"wrote {DOCUMENT.relative_to(Path.cwd()) if DOCUMENT.is_relative_to(Path.cwd()) else DOCUMENT}")
    return 0


def _settings_of(nowhere: Path) -> Settings:
    """The document depends on no setting, so a checkout that was never started can export it too."""
    key = base64.b64encode(os.urandom(32)).decode()
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        environment="development",
        secret_key=SecretStr(key),
        engine_secret=SecretStr(key),
        database_url=SecretStr("postgresql://"),
        redis_url=SecretStr("redis://"),
        panel_url="http://localhost",
        apps_url="http://{name}.localhost",
        edge_address="localhost:80",
        edge_routes_file=nowhere,
        edge_pid_file=nowhere,
        engine_home=nowhere,
        engine_socket=nowhere,
        data_dir=nowhere,
    )


def print_backup_key(arguments: argparse.Namespace) -> int:
    """Needs the master key alone, and no database."""
    from backend.backups.keys import identity_of

    print(identity_of(get_settings().master_key, arguments.project))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m backend.manage", description=__doc__)
    commands = parser.add_subparsers(required=True)
    loads = commands.add_parser("load-catalogue", help="plans, templates, shipped roles and clients")
    loads.set_defaults(run=load_catalogue)
    admin = commands.add_parser("create-admin", help="an administrator with a random password, printed once")
    admin.add_argument("--email", required=True)
    admin.set_defaults(run=make_admin)
    verified = commands.add_parser("verify-email", help="vouch for the e-mail address of an account")
    verified.add_argument("--email", required=True)
    verified.set_defaults(run=verify_email)
    credit = commands.add_parser("give-credit", help="credit to begin with, once for each account's project")
    credit.add_argument("--email", required=True, action="append")
    credit.add_argument("--minor", type=int, default=5_000, help="in the currency's smallest unit")
    credit.set_defaults(run=give_credit)
    verifying = commands.add_parser(
        "verify-ledger", help="sum all entries again; exit 1 if something is wrong"
    )
    verifying.set_defaults(run=verify_ledger)
    rotation = commands.add_parser("rotate-keys", help="a new key to sign access tokens with")
    rotation.add_argument(
        "--compromised", action="store_true", help="the old keys are worth nothing from now on"
    )
    rotation.set_defaults(run=rotate_keys)
    stop = commands.add_parser("stop-apps", help="stop customers' services until the panel runs again")
    stop.set_defaults(run=stop_apps)
    backup_key = commands.add_parser(
        "backup-key",
        help="the age identity that opens a project's backups: age -d -i key < object | zstd -d | tar x",
    )
    backup_key.add_argument("--project", required=True, type=UUID)
    backup_key.set_defaults(run=print_backup_key)
    examine = commands.add_parser("examine-engine", help="try whether what isolates customers is in force")
    examine.add_argument("--if", dest="caution", metavar="CODE", help="only where this caution holds")
    examine.set_defaults(run=examine_engine)
    document = commands.add_parser("export-openapi", help="write openapi/openapi.json")
    document.add_argument("--check", action="store_true", help="only compare; exit 1 if it differs")
    document.set_defaults(run=export_openapi)
    arguments = parser.parse_args()
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
