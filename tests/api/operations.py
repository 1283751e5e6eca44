"""Every operation of the API document, and how a test calls it: a new one has to be added here."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI

from tests.support.people import PASSWORD

PUBLIC = frozenset(
    {
        *("oauth_token", "oauth_revoke", "oauth_jwks", "oauth_metadata", "users_register"),
        *("oauth_authorize", "oauth_introspect"),
        *("users_verify_email", "users_reset_password", "users_request_password_reset"),
        "users_restore_email",
        *(
            "plans_list",
            "addons_list",
            "templates_list",
            "stack_templates_list",
            "system_health",
            "system_ready",
            "passkeys_options",
        ),
        *("webhooks_receive", "deploy_hooks_call", "payment_webhooks_receive"),
    }
)
"""Answered without a token: everything else says 401."""

OWN = frozenset(
    {
        *("stacks_create", "stacks_preview"),
        *("me_get", "me_update", "projects_list", "orders_create", "audit_list", "audit_export"),
        *("me_second_factors", "me_totp_prepare", "me_totp_confirm", "me_totp_remove"),
        *("me_recovery_codes_renew", "me_passkeys_options", "me_passkeys_add", "me_proof_options"),
        *("me_proof", "me_sessions_list", "me_sessions_end_others", "me_sign_ins_list"),
        *("me_change_password", "me_send_verification", "me_confirm_email_code", "me_change_email"),
        *("me_cancel_email_change", "me_add_phone", "me_confirm_phone", "me_remove_phone"),
        *("me_export", "me_delete"),
        *("projects_create", "invitations_preview", "invitations_accept"),
        *("source_checks_create", "deploy_keys_create", "archives_create", "cron_schedules_preview"),
        "backups_list",
        *("applications_create", "tokens_create", "consent_get", "consent_decide"),
    },
)
"""About nobody but whoever asks, although there is no id in the path."""

SHOWN = frozenset(
    {
        *("users_verify_email", "users_reset_password", "users_restore_email", "me_confirm_email_code"),
        *("me_confirm_phone", "me_change_password", "me_delete", "me_totp_confirm", "me_passkeys_add"),
        *("invitations_preview", "invitations_accept"),
    }
)
"""Want something shown that no example can hold: a link or code that was sent, the present password."""

NAMES = frozenset({"registry", "node_id", "role_name", "template_name", "token", "gateway"})
"""In paths: not ids, but names that people choose, and what is a secret itself."""

INVITATION = "a-link-to-the-project-of-the-owner-000000000"
"""The token of an open invitation, in the fixture `objects`."""

VOLUME = "0199c2d4-9f3e-7c51-b2a4-3d5e6f7081a1"
BACKUP = "0199c2d4-9f3e-7c51-b2a4-3d5e6f7081a2"
"""Ids of a volume and its backup, in the fixture `objects`."""

APPLICATION = "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192"
"""The owner's application, in the fixture `objects`: the one of the document's examples."""

WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DEPLOY_HOOK = "gavan_deploy_of-the-service-of-the-owner-00000000000000000000000"
"""Of the owner's service, in the fixture `objects`."""

EMPTY_LISTS = frozenset(
    {
        "services_list",
        "stacks_list",
        "orders_list",
        "jobs_list",
        "applications_list",
        "tokens_list",
        "grants_list",
    }
)


def order_body() -> dict[str, Any]:
    return {
        "template_id": "git-app",
        "plan_id": "dinghy",
        "name": f"t-{uuid4().hex[:10]}",
        "source": {"repo_url": "https://git.example.com/a.git"},
        "variables": {"TOKEN": "a value"},
    }


def stack_body() -> dict[str, Any]:
    return {"template_id": "static-site", "name": f"t-{uuid4().hex[:10]}"}


FORMS = {
    "oauth_token": {
        "grant_type": "password",
        "client_id": "cli",
        "username": "a@example.com",
        "password": "x",
    },
    "oauth_revoke": {"client_id": "cli", "token": "x"},
    "oauth_introspect": {"client_id": "cli", "token": "x"},
}
ASKED = {"services_log_search": {"text": "started"}}
"""Of queries: what may not be left out."""
_ARCHIVE = io.BytesIO()
with zipfile.ZipFile(_ARCHIVE, "w") as _made:
    _made.writestr("index.html", "<h1>Ahoy</h1>")
UPLOADS = dict.fromkeys(("archives_create", "service_archive_upload"), _ARCHIVE.getvalue())
"""Bodies that are a file."""
_CREDENTIAL = {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "e30"}}
BODIES: dict[str, Any] = {
    "users_register": lambda: {"email": f"{uuid4().hex}@example.com", "password": "a lighthouse on a quay"},
    "users_verify_email": lambda: {"token": uuid4().hex},
    "users_request_password_reset": lambda: {"email": f"{uuid4().hex}@example.com"},
    "users_reset_password": lambda: {"token": uuid4().hex, "password": "a lighthouse on a quay"},
    "users_restore_email": lambda: {"token": uuid4().hex},
    "me_update": lambda: {"name": "Somebody"},
    "me_change_password": lambda: {"current_password": "not this one", "password": "gulls over the quay"},
    "me_confirm_email_code": lambda: {"code": "000000"},
    "me_change_email": lambda: {"email": f"{uuid4().hex}@example.com"},
    "me_add_phone": lambda: {"phone": "+7 912 345-67-89"},
    "me_confirm_phone": lambda: {"code": "000000"},
    "me_delete": lambda: {"password": "not this one"},
    "me_totp_confirm": lambda: {"code": "000000"},
    "me_passkeys_add": lambda: {"name": "Blue key", "credential": _CREDENTIAL},
    "me_passkeys_rename": lambda: {"name": "Red key"},
    "me_proof": lambda: {"password": PASSWORD},
    "passkeys_options": dict,
    "orders_create": order_body,
    "stacks_create": stack_body,
    "stacks_preview": lambda: {"template_id": "static-site"},
    "stacks_deploy": dict,
    "stacks_upgrade": lambda: {"version": 2},
    "stacks_delete": lambda: {"name": "quay"},
    "stacks_reveal": lambda: {"name": "access_code"},
    "admin_nodes_set_availability": lambda: {"availability": "pause"},
    "admin_nodes_set_labels": lambda: {"labels": {"disk": "ssd"}},
    "admin_nodes_join_order": lambda: {"rotate": False},
    "services_update": lambda: {"health_path": "/changed"},
    "variables_replace": lambda: {"variables": {"TOKEN": "another value"}},
    "variables_reveal": lambda: {"name": "TOKEN"},
    "volumes_create": lambda: {"name": "more", "path": "/more", "size_gib": 1},
    "processes_put": lambda: {"processes": [{"name": "worker", "replicas": 1, "command": "sh work.sh"}]},
    "volumes_update": lambda: {"size_gib": 3},
    "volumes_remove": lambda: {"name": "uploads"},
    "files_put": lambda: {"path": "/etc/app/other.key", "content": "a2V5"},
    "source_token_set": lambda: {"token": "tok_of_a_forge"},
    "source_checks_create": lambda: {"repo_url": "https://git.invalid/a.git"},
    "deploy_keys_create": dict,
    "source_registry_set": lambda: {"username": "ada", "password": "word of hers"},
    "deployments_create": dict,
    "consoles_create": lambda: {"process": "web"},
    "previews_settings_update": lambda: {"most": 3},
    "commit_status_update": lambda: {"forge": "gitea", "username": "ada"},
    "push_update": lambda: {"watch_paths": ["apps/"]},
    "cron_jobs_create": lambda: {
        "name": f"Job {uuid4().hex[:12]}",
        "schedule": "30 3 * * *",
        "command": "python report.py",
    },
    "backups_create": lambda: {"volume_id": VOLUME},
    "backup_plan_put": lambda: {"schedule": "30 3 * * *", "enabled": False},
    "restores_create": lambda: {"backup_id": BACKUP, "volume_id": VOLUME, "name": "uploads"},
    "cron_jobs_update": lambda: {"enabled": False},
    "domains_create": lambda: {"name": f"d{uuid4().hex[:12]}.example.org"},
    "domains_update": lambda: {"https_redirect": False},
    "domains_dns_set": lambda: {"provider": "cloudflare", "token": "a token of the zone"},
    "rollbacks_create": lambda: {"deployment_id": str(uuid4())},
    "applications_create": lambda: {
        "name": "Tide calendar",
        "confidential": True,
        "grants": ["authorization_code"],
        "redirect_uris": ["https://tides.example.com/back"],
        "scopes": ["me:read"],
    },
    "applications_update": lambda: {"name": "Moon calendar"},
    "applications_rotate_secret": lambda: {"grace_hours": 1},
    "tokens_create": lambda: {"name": "Nightly", "scopes": ["me:read"], "networks": ["198.51.100.0/24"]},
    "consent_decide": lambda: {"decision": "deny", "client_id": APPLICATION, "state": "x"},
    "projects_create": lambda: {"name": "Harbour office"},
    "projects_update": lambda: {"name": "Pilot station"},
    "projects_transfer": lambda: {"user_id": str(uuid4())},
    "members_update": lambda: {"role": "owner"},
    "invitations_create": lambda: {"email": f"{uuid4().hex}@example.com", "role": "viewer"},
    "invitations_preview": lambda: {"token": INVITATION},
    "invitations_accept": lambda: {"token": INVITATION},
    "payments_create": lambda: {"gateway": "stripe", "amount": 2000, "currency": "EUR"},
    "payment_methods_create": lambda: {"gateway": "stripe"},
    "payment_methods_update": lambda: {"preferred": True},
    "auto_top_up_set": lambda: {
        "method_id": str(uuid4()),
        "threshold": 1000,
        "amount": 2000,
        "monthly_limit": 10_000,
        "currency": "EUR",
    },
    "admin_payments_create": lambda: {
        "project_id": str(uuid4()),
        "amount": 5000,
        "currency": "EUR",
        "reason": "Paid in cash, receipt 17",
    },
    "admin_refunds_create": lambda: {"amount": 500, "reason": "Ordered by mistake"},
    "admin_payments_review": lambda: {"decision": "accept", "reason": "The customer agrees"},
    "admin_refunds_end": lambda: {"outcome": "succeeded", "reason": "Sent from our bank account"},
    "admin_bank_statements_import": lambda: {"csv": "date;amount;purpose\n2026-11-20;5,00;a gift\n"},
    "admin_bank_lines_create": lambda: {
        "booked_on": "2026-11-20",
        "amount": 500,
        "currency": "EUR",
        "purpose": "a gift",
    },
    "admin_bank_lines_match": lambda: {"project_id": str(uuid4())},
    "admin_bank_lines_ignore": lambda: {"reason": "Interest of the bank"},
    "billing_profile_set": lambda: {"name": "Harbour office", "country": "DE"},
    "admin_prices_create": lambda: {
        "plan_id": "cutter",
        "currency": "USD",
        "month_minor": 800,
        "existing": "move",
    },
    "admin_coupons_create": lambda: {"code": f"C{uuid4().hex[:10]}", "kind": "percent", "percent": 10},
    "admin_tax_rates_create": lambda: {"country": "CH", "rate_percent": "8.1", "source": "MWSTG Art. 25"},
    "admin_adjustments_create": lambda: {
        "project_id": str(uuid4()),
        "currency": "EUR",
        "amount": 500,
        "reason": "Goodwill for an outage",
    },
    "admin_credit_notes_create": lambda: {"reason": "The service was not available"},
    "admin_billing_terms_set": lambda: {
        "credit_limit_minor": 10_000,
        "tax_exempt": False,
        "vat_id_checked": False,
    },
    "admin_users_update": lambda: {"active": True},
    "admin_users_set_roles": lambda: {"roles": ["user"]},
    "admin_view_as_start": lambda: {"reason": "Ticket 204"},
    "admin_roles_create": lambda: {"name": f"r{uuid4().hex[:8]}", "title": "Night watch", "permissions": []},
    "admin_roles_update": dict,
    "admin_dunning_override": lambda: {"grace_days": 14, "reason": "Ticket 204"},
    "admin_dunning_rules": lambda: {
        "warn_days": [5, 2],
        "grace_days": 4,
        "terminate_days": None,
        "notice_days": [],
    },
}


REFERRED = {
    "rollbacks_create": ("deployment_id",),
    "admin_adjustments_create": ("project_id",),
    "auto_top_up_set": ("method_id",),
    "admin_payments_create": ("project_id",),
    "admin_bank_lines_match": ("project_id",),
}
"""Fields of bodies that name one of the objects which paths name."""


SENT: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "webhooks_receive": (
        {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": WEBHOOK_SECRET},
        {
            "ref": "refs/heads/main",
            "before": "9fceb02d0ae598e95dc970b74767f19372d61af8",
            "after": "59b20b8d5c6ff8d09518216e87bc68a7d7a4b6a1",
            "project": {"default_branch": "main"},
        },
    ),
    "payment_webhooks_receive": (
        {"X-Forwarded-For": "185.71.76.5"},
        {"event": "payment.succeeded", "object": {"id": "2d4b1a3c-000f-5000-8000-18db351245c7"}},
    ),
}
"""Headers and body of calls that are not ours to describe."""


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    document: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        """Names of the ids in the path."""
        return [one["name"] for one in self.document.get("parameters", []) if one["in"] == "path"]

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Of the query, by name, with their schemas."""
        found = self.document.get("parameters", [])
        return {one["name"]: one["schema"] for one in found if one["in"] == "query"}

    @property
    def is_admin(self) -> bool:
        return "admin" in self.document["tags"]

    @property
    def is_stream(self) -> bool:
        return "stream" in self.path or "events" in self.path

    @property
    def is_list(self) -> bool:
        return "cursor" in self.parameters

    def declares(self, answer: httpx.Response) -> bool:
        return str(answer.status_code) in self.document["responses"]

    def at(self, ids: Mapping[str, str]) -> str:
        """The path; a `KeyError` names an id that the test does not know how to fill."""
        return self.path.format(**{name: ids[name] for name in self.ids})

    async def call(
        self,
        client: httpx.AsyncClient,
        ids: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """A well-formed call. Streams are not waited for beyond their first bytes."""
        sent: dict[str, Any] = {
            "headers": dict(headers or {}),
            "params": {**ASKED.get(self.id, {}), **(params or {})},
        }
        if self.id in FORMS:
            sent["data"] = FORMS[self.id]
        elif self.id in SENT:
            own, sent["json"] = SENT[self.id]
            sent["headers"] |= own
        elif self.id in UPLOADS:
            sent["content"] = UPLOADS[self.id]
        elif "requestBody" in self.document:
            sent["json"] = BODIES[self.id]() | {
                name: ids[name] for name in REFERRED.get(self.id, ()) if name in ids
            }
        return await client.request(self.method, self.at(ids), **sent)


def operations(app: FastAPI) -> list[Operation]:
    return list(_operations(app.openapi()))


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            yield Operation(one["operationId"], method.upper(), path, one)


def is_problem(answer: httpx.Response, *, oauth: bool = False) -> bool:
    """Whether it is an error in the documented shape."""
    body = answer.json()
    if oauth:
        return "error" in body
    return (
        answer.headers["content-type"] == "application/problem+json"
        and body["status"] == answer.status_code
        and bool(body["code"])
        and bool(body["title"])
        and bool(body["detail"])
        and body["request_id"] == answer.headers["x-request-id"]
    )
