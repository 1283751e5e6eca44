"""What was used, what it cost, and billing's runs."""

from tests.api.matrix.rows import ADMINISTRATORS, MEMBERS, Row

ROWS: dict[str, Row] = {
    "billing_usage_get": MEMBERS,
    "billing_usage_export": MEMBERS,
    "billing_usage_trace": MEMBERS,
    "billing_forecast_get": MEMBERS,
    "admin_billing_runs_list": ADMINISTRATORS,
}
