"""All routers of the API, the busiest first: a request's path is sought in this order.

The reference page has its own order, `backend.openapi.TAGS`.
"""

from fastapi import APIRouter

from backend.audit import router as audit
from backend.backups import router as backups
from backend.billing.dunning import router as dunning
from backend.billing.invoices import router as invoices
from backend.billing.ledger import admin_router as admin_ledger
from backend.billing.ledger import router as ledger
from backend.billing.metering import router as usage
from backend.billing.payments import admin_router as admin_payments
from backend.billing.payments import public_router as payments_from_outside
from backend.billing.payments import router as payments
from backend.billing.prices import admin_router as admin_prices
from backend.billing.prices import router as prices
from backend.catalogue.router import router as catalogue
from backend.consoles.router import router as consoles
from backend.cronjobs.router import router as cron_jobs
from backend.domains import router as domains
from backend.factors import router as factors
from backend.hooks.public_router import router as hooks_from_outside
from backend.hooks.router import router as hooks
from backend.jobs import router as jobs
from backend.lk.contacts_router import router as contacts
from backend.lk.data_router import router as own_data
from backend.lk.router import router as lk
from backend.lk.sessions_router import router as own_sessions
from backend.mail.router import admin as admin_letters
from backend.metrics import router as metrics
from backend.monitoring import router as monitoring
from backend.nodes.router import router as nodes
from backend.oauth.applications_router import router as applications
from backend.oauth.router import router as oauth
from backend.ports.router import router as ports
from backend.previews.router import router as previews
from backend.processes.router import router as processes
from backend.projects.invitations_router import router as invitations
from backend.projects.router import router as projects
from backend.roles.router import admin as admin_roles
from backend.services import router as services
from backend.services.deployments_router import router as deployments
from backend.services.orders_router import router as orders
from backend.services.variables_router import router as variables
from backend.sources.archives_router import router as archives
from backend.sources.router import router as sources
from backend.stacks.router import router as stacks
from backend.statuses.router import router as statuses
from backend.timeline.router import router as timeline
from backend.users.admin_router import admin as admin_users
from backend.users.router import router as users
from backend.volumes.router import router as volumes

ROUTERS: tuple[APIRouter, ...] = (
    services.router,
    deployments,
    jobs.router,
    variables,
    volumes,
    backups.router,
    backups.admin,
    stacks,
    ports,
    sources,
    archives,
    hooks,
    processes,
    previews,
    statuses,
    hooks_from_outside,
    metrics.router,
    timeline,
    consoles,
    cron_jobs,
    domains.router,
    orders,
    prices.router,
    ledger.router,
    oauth,
    users,
    lk,
    contacts,
    own_data,
    factors.router,
    own_sessions,
    applications,
    projects,
    invitations,
    catalogue,
    audit.router,
    monitoring.admin,
    metrics.admin,
    admin_users,
    admin_roles,
    services.admin,
    domains.admin,
    admin_prices.admin,
    admin_ledger.admin,
    jobs.admin,
    factors.admin,
    audit.admin,
    dunning.router,
    usage.router,
    invoices.router,
    payments.router,
    payments_from_outside.router,
    dunning.admin,
    usage.admin,
    invoices.admin,
    admin_payments.admin,
    admin_letters,
    nodes,
    monitoring.router,
)
