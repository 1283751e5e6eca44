"""Balances, entries, terms, and what administrators enter by hand."""

from tests.api.matrix.rows import ADMINISTRATORS, MEMBERS, PAYERS, Row

ROWS: dict[str, Row] = {
    "billing_balance_get": MEMBERS,
    "billing_entries_list": MEMBERS,
    "billing_entries_export": MEMBERS,
    "billing_profile_get": MEMBERS,
    "billing_profile_set": PAYERS,
    "admin_ledger_customers_list": ADMINISTRATORS,
    "admin_ledger_projects_find": ADMINISTRATORS,
    "admin_ledger_accounts_list": ADMINISTRATORS,
    "admin_ledger_entries_list": ADMINISTRATORS,
    "admin_ledger_entries_export": ADMINISTRATORS,
    "admin_adjustments_list": ADMINISTRATORS,
    "admin_adjustments_create": ADMINISTRATORS,
    "admin_adjustments_approve": ADMINISTRATORS,
    "admin_adjustments_refuse": ADMINISTRATORS,
    "admin_billing_terms_get": ADMINISTRATORS,
    "admin_billing_terms_set": ADMINISTRATORS,
}
