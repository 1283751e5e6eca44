"""What is believed only for a while: that the person at the keyboard is the one who signed in."""

PROVEN = frozenset(
    {
        *("me_change_email", "me_export", "me_delete"),
        *("me_totp_prepare", "me_totp_confirm", "me_totp_remove", "me_recovery_codes_renew"),
        *("me_passkeys_options", "me_passkeys_add", "me_passkeys_remove"),
        *("applications_create", "applications_update", "applications_rotate_secret", "tokens_create"),
        *("projects_delete", "projects_transfer"),
        *("admin_payments_create", "admin_refunds_create", "admin_bank_lines_match"),
        *("admin_payments_review", "admin_refunds_end"),
        *("admin_bank_lines_create", "admin_bank_statements_import"),
        *("admin_prices_create", "admin_prices_withdraw", "admin_coupons_create", "admin_coupons_end"),
        *("admin_tax_rates_create", "admin_tax_rates_remove"),
        *("admin_dunning_override", "admin_dunning_override_lift", "admin_dunning_rules"),
        *("admin_adjustments_create", "admin_adjustments_approve", "admin_adjustments_refuse"),
        *("admin_billing_terms_set", "admin_credit_notes_create"),
        *("admin_users_update", "admin_users_set_roles", "admin_users_reset_second_factors"),
        *("admin_nodes_set_availability", "admin_nodes_delete", "admin_nodes_join_order"),
        *("variables_reveal", "files_reveal", "stacks_reveal"),
        *("admin_view_as_start", "admin_roles_create", "admin_roles_update", "admin_roles_delete"),
    }
)
"""Asked for a recent proof (`require(…, recent=True)`); add an operation that cannot be taken back."""
