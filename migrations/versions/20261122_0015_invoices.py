"""Invoices and credit notes: numbers without gaps, and rows that the database lets nobody change."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ISSUED = ("invoices", "invoice_lines", "invoice_charges")

KEPT = """
CREATE FUNCTION invoices_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$
"""
# A number is the one after the last, and at the commit there is an invoice that bears it.
COUNTED = """
CREATE FUNCTION invoice_series_are_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (TG_OP = 'INSERT' AND NEW.last_number = 1)
        OR (TG_OP = 'UPDATE' AND NEW.code = OLD.code AND NEW.last_number = OLD.last_number + 1)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'numbers of a series are given one by one' USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""
NUMBERED = """
CREATE FUNCTION invoice_numbers_are_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM invoices WHERE series = NEW.code AND number = NEW.last_number) THEN
        RAISE EXCEPTION 'no invoice % of series %', NEW.last_number, NEW.code
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$
"""
# Judged at the commit. The lines are counted too, so that none can be added that come to nothing together.
SUMMED = """
CREATE FUNCTION invoices_are_summed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    invoice invoices;
    found record;
BEGIN
    SELECT * INTO invoice FROM invoices WHERE id = CASE TG_TABLE_NAME
        WHEN 'invoices' THEN (to_jsonb(NEW) ->> 'id')::uuid ELSE (to_jsonb(NEW) ->> 'invoice_id')::uuid END;
    SELECT count(*) AS count, sum(net) AS net, sum(tax) AS tax INTO found
    FROM invoice_lines WHERE invoice_id = invoice.id;
    IF (found.count, found.net, found.tax)
        IS DISTINCT FROM (invoice.line_count::bigint, invoice.net::numeric, invoice.tax::numeric)
    THEN
        RAISE EXCEPTION 'the lines of % do not make up its total', invoice.reference
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF invoice.kind = 'credit_note' AND (
        SELECT sum(gross) FROM invoices WHERE corrects_id = invoice.corrects_id
    ) > (SELECT gross FROM invoices WHERE id = invoice.corrects_id) THEN
        RAISE EXCEPTION '% gives back more than was invoiced', invoice.reference
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$
"""
# What an invoice says of a line is what the ledger says of the line's postings.
AGREED = """
CREATE FUNCTION invoice_lines_agree() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line invoice_lines;
    found record;
BEGIN
    SELECT * INTO line FROM invoice_lines WHERE id = CASE TG_TABLE_NAME
        WHEN 'invoice_lines' THEN (to_jsonb(NEW) ->> 'id')::uuid ELSE (to_jsonb(NEW) ->> 'line_id')::uuid END;
    IF (SELECT kind FROM invoices WHERE id = line.invoice_id) = 'invoice' THEN
        SELECT coalesce(sum(entry.amount) FILTER (WHERE account.kind = 'revenue'), 0) AS net,
            coalesce(sum(entry.amount) FILTER (WHERE account.kind = 'tax'), 0) AS tax
        INTO found
        FROM invoice_charges AS charge
        JOIN ledger_entries AS entry ON entry.transaction_id = charge.transaction_id
        JOIN ledger_accounts AS account ON account.id = entry.account_id
        WHERE charge.line_id = line.id;
        IF (found.net, found.tax) IS DISTINCT FROM (line.net::numeric, line.tax::numeric) THEN
            RAISE EXCEPTION 'line % is not what the ledger says', line.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    RETURN NULL;
END
$$
"""
FUNCTIONS = {
    "invoices_are_kept": KEPT,
    "invoice_series_are_counted": COUNTED,
    "invoice_numbers_are_used": NUMBERED,
    "invoices_are_summed": SUMMED,
    "invoice_lines_agree": AGREED,
}


def upgrade() -> None:
    op.create_table(
        "invoice_series",
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("last_issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("last_number > 0", name=op.f("ck_invoice_series_last_number")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_invoice_series")),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("series", sa.String(length=20), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("seller", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("buyer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("buyer_country", sa.String(length=2), nullable=True),
        sa.Column("corrects_id", sa.Uuid(), nullable=True),
        sa.Column("transaction_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name=op.f("ck_invoices_kind")),
        sa.CheckConstraint("gross = net + tax AND gross > 0", name=op.f("ck_invoices_amounts")),
        sa.CheckConstraint("line_count > 0", name=op.f("ck_invoices_line_count")),
        sa.CheckConstraint("period_end > period_start", name=op.f("ck_invoices_period")),
        sa.CheckConstraint(
            "kind = 'invoice' OR (corrects_id IS NOT NULL AND transaction_id IS NOT NULL)",
            name=op.f("ck_invoices_corrects"),
        ),
        sa.ForeignKeyConstraint(
            ["series"], ["invoice_series.code"], name=op.f("fk_invoices_series_invoice_series")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_invoices_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["corrects_id"], ["invoices.id"], name=op.f("fk_invoices_corrects_id_invoices")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_invoices_transaction_id_ledger_transactions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("series", "number", name=op.f("uq_invoices_series_number")),
        sa.UniqueConstraint("reference", name=op.f("uq_invoices_reference")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_invoices_transaction_id")),
    )
    for columns in (
        *(["issued_at", "id"], ["gross", "id"], ["project_id", "gross", "id"], ["corrects_id"]),
        *([name, "issued_at", "id"] for name in ("project_id", "kind", "currency", "buyer_country")),
        ["period_start", "issued_at", "id"],
    ):
        op.create_index(op.f(f"ix_invoices_{'_'.join(columns)}"), "invoices", columns, unique=False)
    op.create_index(
        "uq_invoices_month",
        "invoices",
        ["project_id", "currency", "period_start"],
        unique=True,
        postgresql_where=sa.text("kind = 'invoice'"),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tax_rate", sa.Integer(), nullable=False),
        sa.Column("tax_code", sa.String(length=20), nullable=False),
        sa.Column("tax_country", sa.String(length=2), nullable=True),
        sa.Column("corrects_line_id", sa.Uuid(), nullable=True),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("gross = net + tax", name=op.f("ck_invoice_lines_amounts")),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_lines_invoice_id_invoices")
        ),
        sa.ForeignKeyConstraint(
            ["corrects_line_id"],
            ["invoice_lines.id"],
            name=op.f("fk_invoice_lines_corrects_line_id_invoice_lines"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_lines")),
        sa.UniqueConstraint("invoice_id", "position", name=op.f("uq_invoice_lines_invoice_id_position")),
    )
    for column in ("service_id", "corrects_line_id"):
        op.create_index(
            op.f(f"ix_invoice_lines_{column}"),
            "invoice_lines",
            [column],
            unique=False,
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_table(
        "invoice_charges",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_invoice_charges_transaction_id_ledger_transactions"),
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["invoice_lines.id"], name=op.f("fk_invoice_charges_line_id_invoice_lines")
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_invoice_charges")),
    )
    op.create_index(op.f("ix_invoice_charges_line_id"), "invoice_charges", ["line_id"], unique=False)
    for function in FUNCTIONS.values():
        op.execute(function)
    for table in ISSUED:
        _trigger(
            "append_only", table, "BEFORE UPDATE OR DELETE OR TRUNCATE", "invoices_are_kept", "STATEMENT"
        )
    _trigger("kept", "invoice_series", "BEFORE DELETE OR TRUNCATE", "invoices_are_kept", "STATEMENT")
    _trigger("counted", "invoice_series", "BEFORE INSERT OR UPDATE", "invoice_series_are_counted")
    _at_commit("used", "invoice_series", "INSERT OR UPDATE", "invoice_numbers_are_used")
    for table in ("invoices", "invoice_lines"):
        _at_commit("summed", table, "INSERT", "invoices_are_summed")
    for table in ("invoice_lines", "invoice_charges"):
        _at_commit("agrees", table, "INSERT", "invoice_lines_agree")


def downgrade() -> None:
    for table in ("invoice_charges", "invoice_lines", "invoices", "invoice_series"):
        op.drop_table(table)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}()")


def _trigger(name: str, table: str, when: str, function: str, level: str = "ROW") -> None:
    op.execute(f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {level} EXECUTE FUNCTION {function}()")
    # Always: not even a session that replays another's changes is let through.
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _at_commit(name: str, table: str, events: str, function: str) -> None:
    op.execute(
        f"CREATE CONSTRAINT TRIGGER {name} AFTER {events} ON {table} DEFERRABLE INITIALLY DEFERRED "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )
