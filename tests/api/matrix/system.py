"""Health, the catalogue, and the endpoints that check their callers by themselves."""

from tests.api.matrix.rows import PUBLIC, Row

ROWS: dict[str, Row] = {
    "system_health": PUBLIC,
    "system_ready": PUBLIC,
    "plans_list": PUBLIC,
    "addons_list": PUBLIC,
    "templates_list": PUBLIC,
    "oauth_authorize": PUBLIC,
    "oauth_introspect": PUBLIC,
    "oauth_jwks": PUBLIC,
    "oauth_metadata": PUBLIC,
    "oauth_revoke": PUBLIC,
    "oauth_token": PUBLIC,
}
