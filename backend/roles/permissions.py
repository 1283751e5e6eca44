"""Every permission there is, and what a role inside a project lets its holder do there.

A person may do something to a project's resource when a global role gives the permission,
the role in that project gives it too, and the token's scope does not leave it out.
"""

from __future__ import annotations

PERMISSIONS: dict[str, str] = {}
"""Name → what it allows, in English, as the API document shows it."""

FULL_SCOPE = "full"
"""The OAuth scope of a token that may do whatever its user may."""


def permission(name: str, allows: str) -> str:
    """Register a permission at import time; the name is what code and roles refer to."""
    if name in PERMISSIONS:
        raise ValueError(f"permission declared twice: {name}")
    PERMISSIONS[name] = allows
    return name


ME_READ = permission("me:read", "See the own account")
ME_WRITE = permission("me:write", "Change the own account")
ME_SECURITY = permission("me:security", "Change passwords, second factors, sessions, applications and tokens")
PROJECTS_READ = permission("projects:read", "See projects")
PROJECTS_WRITE = permission("projects:write", "Make, rename, hand over and delete projects")
MEMBERS_READ = permission("members:read", "See who belongs to a project")
MEMBERS_WRITE = permission("members:write", "Invite, change and remove members")
AUDIT_READ = permission("audit:read", "See what was done in a project, and by whom")
SERVICES_READ = permission("services:read", "See services and their logs")
SERVICES_WRITE = permission("services:write", "Order, change, stop, start and delete services")
SERVICES_CONSOLE = permission("services:console", "Open a console in services, from a session of one's own")
DEPLOYMENTS_READ = permission("deployments:read", "See deployments and their logs")
DEPLOYMENTS_WRITE = permission("deployments:write", "Deploy")
VARIABLES_READ = permission("variables:read", "See the names of variables, never their values")
VARIABLES_WRITE = permission("variables:write", "Set variables")
JOBS_READ = permission("jobs:read", "See jobs and their progress")
JOBS_WRITE = permission("jobs:write", "Cancel jobs")
BILLING_READ = permission("billing:read", "See the balance, charges, usage and invoices of a project")
BILLING_WRITE = permission("billing:write", "Top up, save payment methods, change billing details")
ADMIN_OVERVIEW = permission("admin:overview", "See how the installation is")
ADMIN_SERVICES = permission("admin:services", "See the services of everyone")
ADMIN_JOBS = permission("admin:jobs", "See the jobs of everyone")
ADMIN_USERS = permission("admin:users", "See all users and their projects")
ADMIN_USERS_WRITE = permission("admin:users_write", "Block and unblock users and give them roles")
ADMIN_ROLES = permission("admin:roles", "Make and change roles")
ADMIN_VIEW_AS = permission("admin:view_as", "Look at an account as its user sees it, for a while, on record")
ADMIN_AUDIT = permission("admin:audit", "See what everyone did")
ADMIN_NODES = permission("admin:nodes", "See, add, drain and remove the nodes that services run on")
ADMIN_LETTERS = permission("admin:letters", "See to whom which letters went, and try failed ones again")
ADMIN_BILLING = permission("admin:billing", "See everyone's balances, invoices and payments")
ADMIN_BILLING_WRITE = permission("admin:billing_write", "Set prices, correct balances, refund and credit")

ADMIN = frozenset(name for name in PERMISSIONS if name.startswith("admin:"))
CUSTOMER = frozenset(PERMISSIONS) - ADMIN
VIEWABLE = frozenset(name for name in CUSTOMER if name.endswith(":read"))
"""What somebody who looks at an account as its user sees it may at most."""

_IN_PROJECT = frozenset(name for name in CUSTOMER if not name.startswith("me:"))
_READ_IN_PROJECT = frozenset(name for name in _IN_PROJECT if name.endswith(":read"))

_OWNER_ONLY = frozenset({PROJECTS_WRITE, MEMBERS_WRITE})

PROJECT_ROLES: dict[str, frozenset[str]] = {
    "owner": _IN_PROJECT,
    "developer": _IN_PROJECT - _OWNER_ONLY - {BILLING_WRITE},
    "billing": (_READ_IN_PROJECT - {AUDIT_READ}) | {BILLING_WRITE},
    "viewer": _READ_IN_PROJECT - {AUDIT_READ},
}

EVERYTHING = "admin"
"""The role that always holds all permissions: nobody edits it, and somebody has it."""

SHIPPED_ROLES: dict[str, tuple[str, frozenset[str]]] = {
    "user": ("Customer", CUSTOMER),
    "support": (
        "Support",
        frozenset({ADMIN_OVERVIEW, ADMIN_SERVICES, ADMIN_JOBS, ADMIN_USERS, ADMIN_VIEW_AS}),
    ),
    EVERYTHING: ("Administrator", CUSTOMER | ADMIN),
}
"""Role → title, and the permissions that it has until an administrator edits it."""


def within_scope(permissions: frozenset[str], scope: str) -> frozenset[str]:
    """What remains of the permissions under an OAuth scope, which can only narrow them."""
    asked = scope.split()
    return permissions if FULL_SCOPE in asked else permissions.intersection(asked)
