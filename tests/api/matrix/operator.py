"""What the operator's people may: `/api/v1/admin/…`."""

from tests.api.matrix.rows import ADMINISTRATORS, STAFF, Row

ROWS: dict[str, Row] = {
    "admin_overview": STAFF,
    "admin_services_list": STAFF,
    "admin_jobs_list": STAFF,
    "admin_audit_list": ADMINISTRATORS,
    "admin_audit_export": ADMINISTRATORS,
    "admin_users_list": STAFF,
    "admin_users_get": STAFF,
    "admin_users_update": ADMINISTRATORS,
    "admin_users_set_roles": ADMINISTRATORS,
    "admin_users_reset_second_factors": ADMINISTRATORS,
    "admin_view_as_start": STAFF,
    "admin_view_as_end": STAFF,
    "admin_permissions_list": STAFF,
    "admin_roles_list": STAFF,
    "admin_roles_get": STAFF,
    "admin_roles_create": ADMINISTRATORS,
    "admin_roles_update": ADMINISTRATORS,
    "admin_roles_delete": ADMINISTRATORS,
    "admin_letters_list": ADMINISTRATORS,
    "admin_letters_get": ADMINISTRATORS,
    "admin_letters_retry": ADMINISTRATORS,
    "admin_letters_test": ADMINISTRATORS,
    "admin_letter_templates_list": ADMINISTRATORS,
    "admin_letter_templates_get": ADMINISTRATORS,
}
