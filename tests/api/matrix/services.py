"""Orders, services, deployments, variables and jobs."""

from tests.api.matrix.rows import ALLOWED, DEVELOPERS, MEMBERS, SIGNED_IN, Row

_ALSO_STAFF = MEMBERS.but(support=ALLOWED, administrator=ALLOWED)

ROWS: dict[str, Row] = {
    "orders_list": SIGNED_IN,
    "orders_create": SIGNED_IN,
    "services_list": SIGNED_IN,
    "services_get": _ALSO_STAFF,
    "services_update": DEVELOPERS,
    "services_delete": DEVELOPERS,
    "services_start": DEVELOPERS,
    "services_stop": DEVELOPERS,
    "services_restart": DEVELOPERS,
    "services_log": _ALSO_STAFF,
    "services_log_stream": _ALSO_STAFF,
    "variables_list": MEMBERS,
    "variables_replace": DEVELOPERS,
    "deployments_list": _ALSO_STAFF,
    "deployments_create": DEVELOPERS,
    "deployments_get": _ALSO_STAFF,
    "deployments_log": _ALSO_STAFF,
    "deployments_log_stream": _ALSO_STAFF,
    "jobs_list": SIGNED_IN,
    "jobs_get": _ALSO_STAFF,
    "jobs_events": _ALSO_STAFF,
    "jobs_cancel": DEVELOPERS,
}
