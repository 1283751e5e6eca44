"""Projects, their members and invitations, and what was done in them."""

from tests.api.matrix.rows import MEMBERS, OWNERS, SIGNED_IN, Row

ROWS: dict[str, Row] = {
    "billing_overview": MEMBERS,
    "projects_list": SIGNED_IN,
    "projects_create": SIGNED_IN,
    "projects_get": MEMBERS,
    "projects_update": OWNERS,
    "projects_delete": OWNERS,
    "projects_transfer": OWNERS,
    "projects_leave": MEMBERS,
    "members_list": MEMBERS,
    "members_update": OWNERS,
    "members_delete": OWNERS,
    "invitations_list": MEMBERS,
    "invitations_create": OWNERS,
    "invitations_resend": OWNERS,
    "invitations_delete": OWNERS,
    "invitations_preview": SIGNED_IN,
    "invitations_accept": SIGNED_IN,
}
