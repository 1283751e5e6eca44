"""Every model, imported once, so that the metadata is complete for Alembic and the mapper."""

from backend.audit import models as audit
from backend.backups import models as backups
from backend.billing.dunning import models as dunning
from backend.billing.invoices import models as invoices
from backend.billing.ledger import models as ledger
from backend.billing.metering import models as metering
from backend.billing.payments import message_models as payment_messages
from backend.billing.payments import models as payments
from backend.billing.prices import models as prices
from backend.billing.runs import models as billing_runs
from backend.billing.traffic import models as traffic
from backend.catalogue import models as catalogue
from backend.consoles import models as consoles
from backend.cronjobs import models as cronjobs
from backend.database import Base
from backend.domains import models as domains
from backend.factors import models as factors
from backend.hooks import models as hooks
from backend.jobs import models as jobs
from backend.mail import models as mail
from backend.metrics import models as metrics
from backend.nodes import models as nodes
from backend.oauth import models as oauth
from backend.ports import models as ports
from backend.previews import models as previews
from backend.projects import models as projects
from backend.roles import models as roles
from backend.services import models as services
from backend.sources import models as sources
from backend.stacks import models as stacks
from backend.statuses import models as statuses
from backend.timeline import models as timeline
from backend.users import models as users
from backend.verificationcodes import models as verificationcodes
from backend.volumes import models as volumes

metadata = Base.metadata

__all__ = [
    "audit",
    "backups",
    "billing_runs",
    "catalogue",
    "consoles",
    "cronjobs",
    "domains",
    "dunning",
    "factors",
    "hooks",
    "invoices",
    "jobs",
    "ledger",
    "mail",
    "metadata",
    "metering",
    "metrics",
    "nodes",
    "oauth",
    "payment_messages",
    "payments",
    "ports",
    "previews",
    "prices",
    "projects",
    "roles",
    "services",
    "sources",
    "stacks",
    "statuses",
    "timeline",
    "traffic",
    "users",
    "verificationcodes",
    "volumes",
]
