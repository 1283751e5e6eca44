"""Prices, coupons and tax rates."""

from tests.api.matrix.rows import ADMINISTRATORS, MEMBERS, SIGNED_IN, Row

ROWS: dict[str, Row] = {
    "orders_preview": SIGNED_IN,
    "services_plan_preview": MEMBERS,
    "services_addition_preview": MEMBERS,
    "coupons_list": MEMBERS,
    "admin_prices_list": ADMINISTRATORS,
    "admin_prices_create": ADMINISTRATORS,
    "admin_prices_withdraw": ADMINISTRATORS,
    "admin_coupons_list": ADMINISTRATORS,
    "admin_coupons_create": ADMINISTRATORS,
    "admin_coupons_end": ADMINISTRATORS,
    "admin_tax_rates_list": ADMINISTRATORS,
    "admin_tax_rates_create": ADMINISTRATORS,
    "admin_tax_rates_remove": ADMINISTRATORS,
}
