"""How a mutation succeeds that needs more than a well-formed call, and those that leave no row.

`tests/audit/test_every_mutation.py` performs every operation of the API document that is no GET: as the
owner of the fixture `objects`, as an administrator if it is one of theirs, as nobody if it is public.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx
from sqlalchemy import text

from backend.config import get_settings
from backend.database import Database
from backend.stacks import library, upgrading
from backend.verificationcodes import codes
from backend.verificationcodes.codes import Issued
from backend.verificationcodes.purposes import Purpose
from tests.api.operations import APPLICATION, INVITATION
from tests.identity.authenticator import Authenticator
from tests.identity.factors import Totp, add_passkey, add_totp
from tests.oauth.flows import BACK, new_verifier
from tests.support.builds import pretend_build
from tests.support.people import PASSWORD, Person
from tests.support.swarm import SECOND, Swarm

NEW_PASSWORD = "another lighthouse, farther out"
PHONE = "+442079460123"


@dataclass(frozen=True)
class Stage:
    client: httpx.AsyncClient
    database: Database
    owner: Person
    administrator: Person
    member: Person
    """A developer in the owner's project `shared`."""
    shared: str
    objects: dict[str, str]

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)

    async def issue(self, purpose: Purpose, target: str) -> Issued:
        async with self.database.transaction() as session:
            return await codes.issue(session, purpose, self.owner.id, target=target)

    async def ask(
        self, method: str, path: str, body: Any = None, *, who: Person | None = None
    ) -> httpx.Response:
        headers = (who or self.owner).headers
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=headers)


Prepare = Callable[[Stage], Awaitable[httpx.Response | None]]
"""Makes the call itself, or gives None and only what has to be there before the usual one."""


def _as_owner(method: str, path: str, body: Any = None) -> Prepare:
    async def call(stage: Stage) -> httpx.Response:
        return await stage.ask(method, path.format(shared=stage.shared, member=stage.member.id), body)

    return call


def _as_administrator(method: str, path: str, body: Any = None) -> Prepare:
    async def call(stage: Stage) -> httpx.Response:
        address = path.format(member=stage.member.id)
        return await stage.ask(method, address, body, who=stage.administrator)

    return call


def _after(statement: str) -> Prepare:
    async def prepare(stage: Stage) -> None:
        await stage.execute(statement)

    return prepare


# Signing in ---------------------------------------------------------------------------------------


async def _password_grant(stage: Stage) -> httpx.Response:
    form = {"grant_type": "password", "client_id": "cli"}
    form |= {"username": stage.member.email, "password": PASSWORD}
    return await stage.client.post("/oauth/token", data=form)


async def _revoke_own(stage: Stage) -> httpx.Response:
    form = {"client_id": "cli", "token": stage.owner.refresh_token}
    return await stage.client.post("/oauth/revoke", data=form)


async def _consent(stage: Stage) -> httpx.Response:
    asked = {"client_id": APPLICATION, "response_type": "code", "redirect_uri": BACK}
    # More than what was granted before.
    asked["scope"] = "me:read services:read"
    proof = {"code_challenge": new_verifier().challenge, "code_challenge_method": "S256"}
    return await stage.ask("POST", "/me/consent", {"decision": "approve", **asked, **proof})


async def _totp(stage: Stage) -> None:
    await add_totp(stage.client, stage.owner)


async def _confirm_totp(stage: Stage) -> httpx.Response:
    secret = (await stage.ask("POST", "/me/totp")).json()["secret"]
    return await stage.ask("POST", "/me/totp/confirmation", {"code": Totp(secret).at()})


async def _passkey(stage: Stage) -> httpx.Response:
    return await add_passkey(stage.client, stage.owner, Authenticator())


# Accounts -----------------------------------------------------------------------------------------


async def _unverified(stage: Stage) -> Issued:
    await stage.execute("UPDATE users SET email_verified_at = NULL")
    return await stage.issue(Purpose.EMAIL_VERIFICATION, stage.owner.email)


async def _verify(stage: Stage) -> httpx.Response:
    token = (await _unverified(stage)).token
    return await stage.client.post("/api/v1/users/verify", json={"token": token})


async def _verify_by_code(stage: Stage) -> httpx.Response:
    code = (await _unverified(stage)).code
    return await stage.ask("POST", "/me/email/verification/confirm", {"code": code})


async def _request_reset(stage: Stage) -> httpx.Response:
    return await stage.client.post("/api/v1/users/password-reset", json={"email": stage.owner.email})


async def _reset(stage: Stage) -> httpx.Response:
    token = (await stage.issue(Purpose.PASSWORD_RESET, stage.owner.email)).token
    body = {"token": token, "password": NEW_PASSWORD}
    return await stage.client.post("/api/v1/users/password-reset/confirm", json=body)


async def _restore(stage: Stage) -> httpx.Response:
    token = (await stage.issue(Purpose.EMAIL_RETURN, "former@example.com")).token
    return await stage.client.post("/api/v1/users/email-restore", json={"token": token})


async def _email_change_asked(stage: Stage) -> None:
    await stage.issue(Purpose.EMAIL_CHANGE, "new@example.com")


async def _confirm_phone(stage: Stage) -> httpx.Response:
    code = (await stage.issue(Purpose.PHONE, PHONE)).code
    return await stage.ask("POST", "/me/phone/confirm", {"code": code})


async def _delete_account(stage: Stage) -> httpx.Response:
    return await stage.ask("POST", "/me/deletion", {"password": PASSWORD}, who=stage.member)


# Projects and people ------------------------------------------------------------------------------


async def _transfer(stage: Stage) -> httpx.Response:
    return await stage.ask(
        "POST", f"/projects/{stage.shared}/transfer", {"user_id": str(stage.member.id), "stay_as": "viewer"}
    )


async def _leave(stage: Stage) -> httpx.Response:
    return await stage.ask("POST", f"/projects/{stage.shared}/leave", who=stage.member)


async def _accept(stage: Stage) -> httpx.Response:
    await stage.execute("UPDATE project_invitations SET email = :email", email=stage.member.email)
    return await stage.ask("POST", "/invitations/accept", {"token": INVITATION}, who=stage.member)


async def _view_as(stage: Stage) -> None:
    path = f"/admin/users/{stage.owner.id}/view-as"
    await stage.ask("POST", path, {"reason": "Ticket 204"}, who=stage.administrator)


async def _role(stage: Stage, method: str, body: Any = None) -> httpx.Response:
    made = {"name": "night-watch", "title": "Night watch", "permissions": []}
    await stage.ask("POST", "/admin/roles", made, who=stage.administrator)
    return await stage.ask(method, "/admin/roles/night-watch", body, who=stage.administrator)


async def _roll_back(stage: Stage) -> None:
    pretend_build(get_settings().engine_home, stage.objects["deployment_id"])
    await stage.execute("UPDATE deployments SET state = 'live', build_kept = true, command = 'x'")


async def _end_refund(stage: Stage) -> httpx.Response:
    body = {"amount": 500, "reason": "Ordered by mistake"}
    path = f"/admin/billing/payments/{stage.objects['payment_id']}/refunds"
    asked = await stage.ask("POST", path, body, who=stage.administrator)
    await stage.execute("UPDATE jobs SET state = 'failed'")
    path = f"/admin/billing/refunds/{asked.json()['refund_id']}/end"
    return await stage.ask("POST", path, {"outcome": "failed", "reason": "Lost"}, who=stage.administrator)


async def _volume_leaving(stage: Stage) -> None:
    path = f"/services/{stage.objects['service_id']}/volumes/{stage.objects['volume_id']}/removal"
    assert (await stage.ask("POST", path, {"name": "uploads"})).status_code == 200


def _public_port(method: str) -> Prepare:
    async def call(stage: Stage) -> None:
        await stage.ask(method, f"/services/{stage.objects['service_id']}/public-port")

    return call


async def _source_token(stage: Stage) -> None:
    path = f"/services/{stage.objects['service_id']}/source/token"
    assert (await stage.ask("PUT", path, {"token": "tok_of_a_forge"})).status_code == 200


async def _registry_login(stage: Stage) -> None:
    path = f"/services/{stage.objects['service_id']}/source/registries/{stage.objects['registry']}"
    assert (await stage.ask("PUT", path, {"username": "ada", "password": "hers"})).status_code == 200


async def _deploy_key(stage: Stage) -> None:
    path = f"/services/{stage.objects['service_id']}/source/deploy-key"
    assert (await stage.ask("POST", path)).status_code == 201


def _on_nodes(method: str, path: str, body: Any = None, **changes: Any) -> Prepare:
    """With an engine that has nodes, the second of which is as `changes` say."""

    async def call(stage: Stage) -> httpx.Response:
        parts = stage.client._transport.app.state.parts  # type: ignore[attr-defined]
        before, swarm = parts.engine, Swarm()
        swarm.known[SECOND] = replace(swarm.known[SECOND], **changes)
        parts.engine = swarm
        try:
            return await stage.ask(method, f"/admin/{path}", body, who=stage.administrator)
        finally:
            parts.engine = before

    return call


async def _newer_template(stage: Stage) -> httpx.Response:
    path = f"/stacks/{stage.objects['stack_id']}/upgrade"
    blueprint = library.library().newest("ai-agent")
    assert blueprint
    newer = blueprint.model_copy(update={"version": 2})
    upgrading.library = lambda: library.Library({"ai-agent": {1: blueprint, 2: newer}})
    try:
        return await stage.ask("POST", path, {"version": 2})
    finally:
        upgrading.library = library.library


_LIVE = "UPDATE services s SET live_deployment_id = d.id FROM deployments d WHERE d.service_id = s.id"
_MEMBER = "/projects/{shared}/members/{member}"
_USER = "/admin/users/{member}"

PREPARED: Mapping[str, Prepare] = {
    "volumes_keep": _volume_leaving,
    "public_port_open": _public_port("DELETE"),
    "public_port_close": _public_port("POST"),
    "oauth_token": _password_grant,
    "oauth_revoke": _revoke_own,
    "consent_decide": _consent,
    "me_totp_remove": _totp,
    "me_totp_confirm": _confirm_totp,
    "me_passkeys_add": _passkey,
    "users_verify_email": _verify,
    "users_request_password_reset": _request_reset,
    "users_reset_password": _reset,
    "users_restore_email": _restore,
    "me_confirm_email_code": _verify_by_code,
    "me_change_email": _as_owner("POST", "/me/email", {"email": "new@example.com"}),
    "me_cancel_email_change": _email_change_asked,
    "me_change_password": _as_owner(
        "POST", "/me/password", {"current_password": PASSWORD, "password": NEW_PASSWORD}
    ),
    "me_confirm_phone": _confirm_phone,
    "me_remove_phone": _after(f"UPDATE users SET phone = '{PHONE}'"),
    "me_delete": _delete_account,
    "projects_delete": _as_owner("DELETE", "/projects/{shared}"),
    "projects_transfer": _transfer,
    "projects_leave": _leave,
    "members_update": _as_owner("PATCH", _MEMBER, {"role": "viewer"}),
    "members_delete": _as_owner("DELETE", _MEMBER),
    "invitations_accept": _accept,
    "stacks_deploy": _after(
        "WITH ended AS (UPDATE jobs SET state = 'failed') UPDATE deployments SET state = 'failed'"
    ),
    "stacks_upgrade": _newer_template,
    "services_start": _after(_LIVE),
    "services_restart": _after(_LIVE),
    "rollbacks_create": _roll_back,
    "cron_jobs_delete": _after("DELETE FROM cron_runs"),
    "cron_runs_create": _after(_LIVE),
    "source_token_remove": _source_token,
    "source_registry_remove": _registry_login,
    "source_deploy_key_remove": _deploy_key,
    "source_host_key_forget": _after("UPDATE services SET ssh_host_key = 'ssh-ed25519 SHA256:x'"),
    "admin_users_update": _as_administrator("PATCH", _USER, {"active": False, "reason": "Spam"}),
    "admin_users_set_roles": _as_administrator("PUT", f"{_USER}/roles", {"roles": ["user", "support"]}),
    "admin_view_as_end": _view_as,
    "admin_roles_update": partial(_role, method="PATCH", body={"title": "Day watch"}),
    "admin_roles_delete": partial(_role, method="DELETE"),
    "admin_payments_review": _after(
        "UPDATE payments SET state = 'review', taken_amount = amount, taken_currency = currency"
    ),
    "admin_refunds_end": _end_refund,
    "admin_nodes_set_availability": _on_nodes(
        "POST", f"nodes/{SECOND}/availability", {"availability": "drain"}
    ),
    "admin_nodes_set_labels": _on_nodes("PUT", f"nodes/{SECOND}/labels", {"labels": {"disk": "ssd"}}),
    "admin_nodes_delete": _on_nodes("DELETE", f"nodes/{SECOND}", state="down"),
    "admin_nodes_join_order": _on_nodes("POST", "node-join-order", {"rotate": True}),
    "admin_letters_retry": _after("UPDATE letters SET state = 'failed'"),
}

_ASKED_FOR = "nothing of the account changes before the answer comes, and that is recorded"
_READS = "reads: by POST, so that tokens stay out of addresses"
_LOOKS = "asks a repository whether it can be read, and keeps nothing"

UNRECORDED: Mapping[str, str] = {
    "payment_webhooks_receive": "It is kept whole, and what comes of it is recorded when it is applied.",
    "oauth_introspect": _READS,
    "invitations_preview": _READS,
    "source_check": _LOOKS,
    "source_checks_create": _LOOKS,
    "stacks_preview": _LOOKS,
    "commit_status_check": "asks a forge for a repository, and keeps nothing",
    "consoles_create": "a ticket; the opening that it is for is recorded, and the end of it",
    "passkeys_options": _ASKED_FOR,
    "me_passkeys_options": _ASKED_FOR,
    "me_proof_options": _ASKED_FOR,
    "me_send_verification": _ASKED_FOR,
    "me_add_phone": _ASKED_FOR,
}
"""Operation → why it leaves no row although it is no GET."""
