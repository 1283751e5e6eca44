"""Releases that are kept: which build a deployment runs, and which release a rollback brought back."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STATES = "'queued','fetching','building','releasing','checking','live',{}'failed','cancelled','superseded'"
# As many as were kept by default; where it was another number, the hourly sweep corrects it.
KEPT = """
UPDATE deployments SET build_kept = true WHERE id IN (
    SELECT id FROM (
        SELECT d.id, row_number() OVER (PARTITION BY d.service_id ORDER BY d.number DESC) AS place
        FROM deployments d JOIN services s ON s.id = d.service_id
        WHERE d.state = 'live' AND s.deleted_at IS NULL
    ) served WHERE place <= 3
)
"""
# Before, a release has the build of its own id, which a rollback has not: what it brought back serves again,
# under the deployment that made the build, and no rollback counts as a release.
WITHOUT_ROLLBACKS = (
    """
    UPDATE services SET live_deployment_id = rollback.build_id FROM deployments rollback
    WHERE rollback.id = services.live_deployment_id AND rollback.restores_id IS NOT NULL
    """,
    """
    UPDATE services SET routed_deployment_id = live_deployment_id FROM deployments rollback
    WHERE rollback.id = services.routed_deployment_id AND rollback.restores_id IS NOT NULL
    """,
    """
    UPDATE deployments SET state = 'superseded', finished_at = coalesce(finished_at, now())
    WHERE restores_id IS NOT NULL AND state NOT IN ('failed','cancelled','superseded')
    """,
    """
    UPDATE deployments SET state = 'live', reason_code = NULL, reason = NULL, reason_parameters = NULL
    WHERE state = 'rolled_back'
    """,
    """
    UPDATE jobs SET state = 'cancelled', finished_at = now(), lease_until = NULL
    WHERE kind = 'service.rollback' AND state IN ('queued','running')
    """,
)


def upgrade() -> None:
    op.add_column("deployments", sa.Column("build_id", sa.Uuid(), nullable=True))
    op.add_column(
        "deployments", sa.Column("build_kept", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("deployments", sa.Column("restores_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE deployments SET build_id = id")
    op.execute(KEPT)
    op.alter_column("deployments", "build_id", nullable=False)
    op.alter_column("deployments", "build_kept", server_default=None)
    for column in ("build_id", "restores_id"):
        name = op.f(f"fk_deployments_{column}_deployments")
        op.create_foreign_key(name, "deployments", "deployments", [column], ["id"])
    op.create_check_constraint(
        op.f("ck_deployments_build"), "deployments", "(build_id = id) = (restores_id IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_deployments_build_kept"), "deployments", "NOT build_kept OR build_id = id"
    )
    op.create_index("ix_jobs_deployment_id", "jobs", ["deployment_id"])
    op.create_index(
        "ix_deployments_build_kept", "deployments", ["service_id"], postgresql_where=sa.text("build_kept")
    )
    for column in ("build_id", "restores_id"):
        op.create_index(op.f(f"ix_deployments_{column}"), "deployments", [column])
    _allow(STATES.format("'rolled_back',"))


def downgrade() -> None:
    for statement in WITHOUT_ROLLBACKS:
        op.execute(statement)
    _allow(STATES.format(""))
    for column in ("build_id", "restores_id"):
        op.drop_index(op.f(f"ix_deployments_{column}"), "deployments")
    op.drop_index("ix_deployments_build_kept", "deployments")
    op.drop_index("ix_jobs_deployment_id", "jobs")
    for name in ("ck_deployments_build", "ck_deployments_build_kept"):
        op.drop_constraint(op.f(name), "deployments", type_="check")
    for column in ("restores_id", "build_kept", "build_id"):
        op.drop_column("deployments", column)


def _allow(states: str) -> None:
    op.drop_constraint(op.f("ck_deployments_state"), "deployments", type_="check")
    op.create_check_constraint(op.f("ck_deployments_state"), "deployments", f"state IN ({states})")
