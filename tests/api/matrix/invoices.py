"""Invoices, credit notes and the tax report."""

from tests.api.matrix.rows import ADMINISTRATORS, MEMBERS, Row

ROWS: dict[str, Row] = {
    "billing_invoices_list": MEMBERS,
    "billing_invoices_export": MEMBERS,
    "billing_invoices_get": MEMBERS,
    "billing_invoice_charges_list": MEMBERS,
    "billing_invoices_pdf": MEMBERS,
    "admin_invoices_list": ADMINISTRATORS,
    "admin_invoices_export": ADMINISTRATORS,
    "admin_invoices_get": ADMINISTRATORS,
    "admin_invoices_pdf": ADMINISTRATORS,
    "admin_credit_notes_create": ADMINISTRATORS,
    "admin_taxes_report": ADMINISTRATORS,
    "admin_taxes_export": ADMINISTRATORS,
}
