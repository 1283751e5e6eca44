"""Payments, saved methods, automatic top-up; refunds, bank statements and messages of gateways."""

from tests.api.matrix.rows import ADMINISTRATORS, MEMBERS, PAYERS, PUBLIC, Row

ROWS: dict[str, Row] = {
    "payment_options_get": MEMBERS,
    "payments_list": MEMBERS,
    "payments_create": PAYERS,
    "payments_get": MEMBERS,
    "payments_receipt": MEMBERS,
    "payment_methods_list": MEMBERS,
    "payment_methods_create": PAYERS,
    "payment_method_setups_get": MEMBERS,
    "payment_methods_update": PAYERS,
    "payment_methods_delete": PAYERS,
    "auto_top_up_get": MEMBERS,
    "auto_top_up_set": PAYERS,
    "auto_top_up_remove": PAYERS,
    "payment_webhooks_receive": PUBLIC,
    "admin_payments_list": ADMINISTRATORS,
    "admin_payments_create": ADMINISTRATORS,
    "admin_payments_get": ADMINISTRATORS,
    "admin_refunds_create": ADMINISTRATORS,
    "admin_payments_review": ADMINISTRATORS,
    "admin_refunds_end": ADMINISTRATORS,
    "admin_bank_lines_list": ADMINISTRATORS,
    "admin_bank_lines_create": ADMINISTRATORS,
    "admin_bank_statements_import": ADMINISTRATORS,
    "admin_bank_lines_match": ADMINISTRATORS,
    "admin_bank_lines_ignore": ADMINISTRATORS,
    "admin_gateway_messages_list": ADMINISTRATORS,
    "admin_gateway_messages_get": ADMINISTRATORS,
}
