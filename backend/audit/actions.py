"""Everything that is recorded, by its stable name: `<kind of object>.<what happened to it>`.

Sorted by object. The panel's words for each are in `frontend/locales/*/audit.json`.
"""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    ADJUSTMENT_PROPOSED = "adjustment.proposed"
    ADJUSTMENT_POSTED = "adjustment.posted"
    ADJUSTMENT_REFUSED = "adjustment.refused"

    APPLICATION_CREATED = "application.created"
    APPLICATION_UPDATED = "application.updated"
    APPLICATION_SECRET_ROTATED = "application.secret_rotated"
    APPLICATION_DELETED = "application.deleted"

    ARCHIVE_UPLOADED = "archive.uploaded"

    AUDIT_PRUNED = "audit.pruned"

    AUTO_TOP_UP_SET = "auto_top_up.set"
    AUTO_TOP_UP_REMOVED = "auto_top_up.removed"

    BANK_LINE_MATCHED = "bank_line.matched"
    BANK_LINE_IGNORED = "bank_line.ignored"
    BANK_STATEMENT_IMPORTED = "bank_statement.imported"

    BILLING_DETAILS_CHANGED = "billing.details_changed"
    BILLING_TERMS_CHANGED = "billing.terms_changed"

    CATALOGUE_CHANGED = "catalogue.changed"

    CONSOLE_OPENED = "console.opened"
    CONSOLE_CLOSED = "console.closed"

    COUPON_CREATED = "coupon.created"
    COUPON_ENDED = "coupon.ended"

    DEPLOY_KEY_CREATED = "deploy_key.created"

    CRON_JOB_CREATED = "cron_job.created"
    CRON_JOB_UPDATED = "cron_job.updated"
    CRON_JOB_DELETED = "cron_job.deleted"
    CRON_JOB_RUN = "cron_job.run"
    CRON_RUN_CANCELLED = "cron_run.cancelled"

    DOMAIN_ADDED = "domain.added"
    DOMAIN_UPDATED = "domain.updated"
    DOMAIN_CHECKED = "domain.checked"
    DOMAIN_DNS_SET = "domain.dns_set"
    DOMAIN_DNS_REMOVED = "domain.dns_removed"
    DOMAIN_VERIFIED = "domain.verified"
    DOMAIN_TAKEN_OVER = "domain.taken_over"
    DOMAIN_SECURED = "domain.secured"
    DOMAIN_REMOVED = "domain.removed"

    DUNNING_RULES_CHANGED = "dunning.rules_changed"
    DUNNING_OVERRIDE_SET = "dunning.override_set"
    DUNNING_OVERRIDE_LIFTED = "dunning.override_lifted"
    DUNNING_STAGE_CHANGED = "dunning.stage_changed"

    GRANT_GIVEN = "grant.given"
    GRANT_REVOKED = "grant.revoked"
    GRANT_CODE_REUSED = "grant.code_reused"

    INVITATION_SENT = "invitation.sent"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_ACCEPTED = "invitation.accepted"

    INVOICE_ISSUED = "invoice.issued"
    INVOICE_CREDITED = "invoice.credited"

    JOB_CANCELLED = "job.cancelled"

    LETTER_RETRIED = "letter.retried"
    LETTER_TESTED = "letter.tested"

    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_LEFT = "member.left"

    PASSKEY_ADDED = "passkey.added"
    PASSKEY_RENAMED = "passkey.renamed"
    PASSKEY_REMOVED = "passkey.removed"

    PAYMENT_CREATED = "payment.created"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_RECORDED = "payment.recorded"
    PAYMENT_DISPUTED = "payment.disputed"
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_REFUND_ENDED = "payment.refund_ended"
    PAYMENT_REVIEWED = "payment.reviewed"
    PAYMENT_METHOD_ASKED = "payment_method.asked"
    PAYMENT_METHOD_PREFERRED = "payment_method.preferred"
    PAYMENT_METHOD_REMOVED = "payment_method.removed"

    PERSONAL_TOKEN_CREATED = "personal_token.created"
    PERSONAL_TOKEN_DELETED = "personal_token.deleted"

    PROJECT_CREATED = "project.created"
    PROJECT_RENAMED = "project.renamed"
    PROJECT_TRANSFERRED = "project.transferred"
    PROJECT_DELETED = "project.deleted"

    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODES_USED = "recovery_codes.used"

    PRICE_ADDED = "price.added"
    PRICE_WITHDRAWN = "price.withdrawn"

    NODE_AVAILABILITY_CHANGED = "node.availability_changed"
    NODE_LABELS_CHANGED = "node.labels_changed"
    NODE_TOKEN_SHOWN = "node.token_shown"
    NODE_TOKEN_ROTATED = "node.token_rotated"
    NODE_REMOVED = "node.removed"

    ROLE_CREATED = "role.created"
    ROLE_UPDATED = "role.updated"
    ROLE_DELETED = "role.deleted"

    SERVICE_ORDERED = "service.ordered"
    SERVICE_UPDATED = "service.updated"
    SERVICE_SCALED = "service.scaled"
    SERVICE_VARIABLES_REPLACED = "service.variables_replaced"
    SERVICE_VARIABLE_REVEALED = "service.variable_revealed"
    SERVICE_FILE_SET = "service.file_set"
    SERVICE_FILE_REVEALED = "service.file_revealed"
    SERVICE_FILE_REMOVED = "service.file_removed"
    SERVICE_VOLUME_ADDED = "service.volume_added"
    SERVICE_VOLUME_GROWN = "service.volume_grown"
    SERVICE_VOLUME_REMOVAL_ASKED = "service.volume_removal_asked"
    SERVICE_VOLUME_KEPT = "service.volume_kept"
    SERVICE_PORT_OPENED = "service.port_opened"
    SERVICE_PORT_CLOSED = "service.port_closed"
    SERVICE_SOURCE_TOKEN_SET = "service.source_token_set"
    SERVICE_SOURCE_TOKEN_REMOVED = "service.source_token_removed"
    SERVICE_ARCHIVE_UPLOADED = "service.archive_uploaded"
    SERVICE_REGISTRY_LOGIN_SET = "service.registry_login_set"
    SERVICE_REGISTRY_LOGIN_REMOVED = "service.registry_login_removed"
    SERVICE_DEPLOY_KEY_MADE = "service.deploy_key_made"
    SERVICE_DEPLOY_KEY_REMOVED = "service.deploy_key_removed"
    SERVICE_HOST_KEY_FORGOTTEN = "service.host_key_forgotten"
    SERVICE_DEPLOYED = "service.deployed"
    SERVICE_ROLLED_BACK = "service.rolled_back"
    SERVICE_PUSH_CHANGED = "service.push_changed"
    SERVICE_WEBHOOK_SECRET_SET = "service.webhook_secret_set"
    SERVICE_DEPLOY_HOOK_SET = "service.deploy_hook_set"
    SERVICE_DEPLOY_HOOK_REVOKED = "service.deploy_hook_revoked"
    SERVICE_PREVIEWS_CHANGED = "service.previews_changed"
    SERVICE_PREVIEW_MADE = "service.preview_made"
    SERVICE_STATUSES_CHANGED = "service.statuses_changed"
    SERVICE_BACKUP_ASKED = "service.backup_asked"
    SERVICE_BACKUP_REMOVED = "service.backup_removed"
    SERVICE_BACKUP_PLAN_CHANGED = "service.backup_plan_changed"
    SERVICE_RESTORE_ASKED = "service.restore_asked"
    SERVICE_STOPPED = "service.stopped"
    SERVICE_STARTED = "service.started"
    SERVICE_RESTARTED = "service.restarted"
    SERVICE_REPRICED = "service.repriced"
    SERVICE_SUSPENDED = "service.suspended"
    SERVICE_RESUMED = "service.resumed"
    SERVICE_DELETED = "service.deleted"

    SESSION_STARTED = "session.started"
    SESSION_REFUSED = "session.refused"
    SESSION_ENDED = "session.ended"
    SESSION_PROVED = "session.proved"
    SESSION_OTHERS_ENDED = "session.others_ended"
    SESSION_TOKEN_REUSED = "session.token_reused"

    SIGNING_KEY_ROTATED = "signing_key.rotated"

    STACK_ORDERED = "stack.ordered"
    STACK_DEPLOYED = "stack.deployed"
    STACK_UPGRADED = "stack.upgraded"
    STACK_SECRET_REVEALED = "stack.secret_revealed"
    STACK_DELETED = "stack.deleted"

    TAX_RATE_ADDED = "tax_rate.added"
    TAX_RATE_REMOVED = "tax_rate.removed"

    TOTP_PREPARED = "totp.prepared"
    TOTP_ADDED = "totp.added"
    TOTP_REMOVED = "totp.removed"

    USER_REGISTERED = "user.registered"
    USER_UPDATED = "user.updated"
    USER_ROLES_CHANGED = "user.roles_changed"
    USER_EMAIL_VERIFIED = "user.email_verified"
    USER_EMAIL_CHANGE_ASKED = "user.email_change_asked"
    USER_EMAIL_CHANGE_CANCELLED = "user.email_change_cancelled"
    USER_EMAIL_CHANGED = "user.email_changed"
    USER_EMAIL_RETURNED = "user.email_returned"
    USER_PASSWORD_CHANGED = "user.password_changed"
    USER_PASSWORD_RESET_ASKED = "user.password_reset_asked"
    USER_PASSWORD_RESET = "user.password_reset"
    USER_PHONE_CHANGED = "user.phone_changed"
    USER_PHONE_REMOVED = "user.phone_removed"
    USER_EXPORTED = "user.exported"
    USER_DELETED = "user.deleted"
    USER_BLOCKED = "user.blocked"
    USER_UNBLOCKED = "user.unblocked"
    USER_FACTORS_RESET = "user.factors_reset"

    VIEW_AS_STARTED = "view_as.started"
    VIEW_AS_LOOKED = "view_as.looked"
    VIEW_AS_ENDED = "view_as.ended"
