"""The ledger: accounts, transactions, entries that nobody changes, and who pays."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = """
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# The running sum of a project's account is written by this trigger, and by nothing else.
KEEPS_BALANCE = """
CREATE FUNCTION ledger_keeps_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_accounts SET balance = balance + NEW.amount
        WHERE id = NEW.account_id AND project_id IS NOT NULL
        RETURNING balance INTO NEW.balance_after;
    RETURN NEW;
END
$$
"""
GUARDS_ACCOUNT = """
CREATE FUNCTION ledger_guards_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.balance = 0 THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF pg_trigger_depth() > 1 AND (NEW.id, NEW.project_id, NEW.currency, NEW.kind, NEW.name)
            IS NOT DISTINCT FROM (OLD.id, OLD.project_id, OLD.currency, OLD.kind, OLD.name)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a balance in ledger_accounts changes by entries only'
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# By statement, since all entries of a transaction are written by one; and a batch of them is checked at once.
# A connection keeps the plan from when the table was small, so that it may not be to read all of it.
BALANCES = """
CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    wrong uuid;
BEGIN
    SELECT posted.id INTO wrong
        FROM (SELECT DISTINCT transaction_id FROM added) AS touched
        JOIN ledger_transactions AS posted ON posted.id = touched.transaction_id
        CROSS JOIN LATERAL (
            SELECT sum(entry.amount) AS total, count(account.id) AS entries,
                bool_and(account.id IS NOT NULL) AS known,
                bool_and(account.currency = posted.currency) AS one_currency,
                bool_and(account.project_id IS NULL OR account.project_id = posted.project_id) AS one_project
            FROM ledger_entries AS entry LEFT JOIN ledger_accounts AS account ON account.id = entry.account_id
            WHERE entry.transaction_id = posted.id
        ) AS found
        WHERE found.total <> 0 OR found.entries < 2
            OR NOT (found.known AND found.one_currency AND found.one_project)
        LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the entries of ledger transaction % do not balance', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""
HAS_ENTRIES = """
CREATE FUNCTION ledger_has_entries() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_entries WHERE transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "billing_profiles",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("credit_limit_minor", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=200), server_default="", nullable=False),
        sa.Column(
            "address_lines", postgresql.ARRAY(sa.String(length=200)), server_default="{}", nullable=False
        ),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("vat_id", sa.String(length=20), nullable=True),
        sa.Column("vat_id_checked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tax_exempt", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("invoice_locale", sa.String(length=5), nullable=True),
        sa.Column("invoice_email", sa.String(length=254), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("credit_limit_minor >= 0", name=op.f("ck_billing_profiles_credit_limit")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_billing_profiles_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_billing_profiles")),
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=40), server_default="", nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("negative", sa.Boolean(), sa.Computed("balance < 0", persisted=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(project_id IS NOT NULL) = (kind IN ('balance', 'held', 'due'))",
            name=op.f("ck_ledger_accounts_owner"),
        ),
        sa.CheckConstraint("kind <> 'due' OR balance <= 0", name=op.f("ck_ledger_accounts_due")),
        sa.CheckConstraint("kind <> 'held' OR balance >= 0", name=op.f("ck_ledger_accounts_held")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_ledger_accounts_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint(
            "project_id",
            "currency",
            "kind",
            "name",
            name=op.f("uq_ledger_accounts_project_id_currency_kind_name"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        op.f("ix_ledger_accounts_kind_created_at_id"),
        "ledger_accounts",
        ["kind", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_ledger_accounts_negative",
        "ledger_accounts",
        ["kind", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("negative"),
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=True),
        sa.Column("source_type", sa.String(length=40), nullable=True),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("acting_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_transactions_amount")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_ledger_transactions_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_transactions_key")),
    )
    op.create_index(
        op.f("ix_ledger_transactions_kind_posted_at_id"),
        "ledger_transactions",
        ["kind", "posted_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_transactions_posted_at_id"), "ledger_transactions", ["posted_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_ledger_transactions_project_id_kind_posted_at_id"),
        "ledger_transactions",
        ["project_id", "kind", "posted_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_transactions_project_id_posted_at_id"),
        "ledger_transactions",
        ["project_id", "posted_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_transactions_service_id_posted_at_id"),
        "ledger_transactions",
        ["service_id", "posted_at", "id"],
        unique=False,
        postgresql_where=sa.text("service_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_ledger_transactions_source_id"),
        "ledger_transactions",
        ["source_id"],
        unique=False,
        postgresql_where=sa.text("source_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_adjustments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'posted', 'refused')", name=op.f("ck_ledger_adjustments_state")
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_adjustments_amount")),
        sa.CheckConstraint(
            "state <> 'posted' OR decided_by <> proposed_by",
            name=op.f("ck_ledger_adjustments_second_pair_of_eyes"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_ledger_adjustments_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_adjustments_transaction_id_ledger_transactions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_adjustments")),
    )
    op.create_index(
        op.f("ix_ledger_adjustments_created_at_id"), "ledger_adjustments", ["created_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_ledger_adjustments_project_id_created_at_id"),
        "ledger_adjustments",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_adjustments_state_created_at_id"),
        "ledger_adjustments",
        ["state", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "ledger_checkpoints",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["ledger_accounts.id"],
            name=op.f("fk_ledger_checkpoints_account_id_ledger_accounts"),
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_ledger_checkpoints")),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_entries_amount")),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_entries_transaction_id_ledger_transactions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint(
            "transaction_id", "account_id", name=op.f("uq_ledger_entries_transaction_id_account_id")
        ),
    )
    op.create_index(
        op.f("ix_ledger_entries_account_id_id"), "ledger_entries", ["account_id", "id"], unique=False
    )
    # Room on the page for the next state of a running sum, so that no index learns of it.
    op.execute("ALTER TABLE ledger_accounts SET (fillfactor = 50)")
    for function in (APPEND_ONLY, KEEPS_BALANCE, GUARDS_ACCOUNT, BALANCES, HAS_ENTRIES):
        op.execute(function)
    append_only, guards = "STATEMENT EXECUTE FUNCTION ledger_is_append_only()", "ledger_guards_account()"
    never = "BEFORE UPDATE OR DELETE OR TRUNCATE"
    _trigger("ledger_transactions", "append_only", never, append_only)
    _trigger("ledger_entries", "append_only", never, append_only)
    _trigger(
        "ledger_entries", "keeps_balance", "BEFORE INSERT", "ROW EXECUTE FUNCTION ledger_keeps_balance()"
    )
    _trigger(
        *("ledger_entries", "balances", "AFTER INSERT", "STATEMENT EXECUTE FUNCTION ledger_balances()"),
        options="REFERENCING NEW TABLE AS added",
    )
    _trigger(
        *("ledger_transactions", "has_entries", "AFTER INSERT", "ROW EXECUTE FUNCTION ledger_has_entries()"),
        options="DEFERRABLE INITIALLY DEFERRED",
        what="CONSTRAINT TRIGGER",
    )
    _trigger("ledger_accounts", "kept", "BEFORE DELETE OR TRUNCATE", f"STATEMENT EXECUTE FUNCTION {guards}")
    _trigger("ledger_accounts", "guarded", "BEFORE INSERT OR UPDATE", f"ROW EXECUTE FUNCTION {guards}")


def _trigger(
    table: str, name: str, events: str, call: str, *, options: str = "", what: str = "TRIGGER"
) -> None:
    op.execute(f"CREATE {what} {name} {events} ON {table} {options} FOR EACH {call}")
    # Always: not even a session that replays another's changes is let through.
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def downgrade() -> None:
    op.drop_table("ledger_entries")
    op.drop_table("ledger_checkpoints")
    op.drop_table("ledger_adjustments")
    op.drop_table("ledger_transactions")
    op.drop_table("ledger_accounts")
    op.drop_table("billing_profiles")
    for function in (
        *("ledger_has_entries", "ledger_balances", "ledger_guards_account", "ledger_keeps_balance"),
        "ledger_is_append_only",
    ):
        op.execute(f"DROP FUNCTION {function}()")
