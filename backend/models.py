"""Every model, imported once, so that the metadata is complete for Alembic and the mapper."""

from backend.audit import models as audit
from backend.billing.dunning import models as dunning
from backend.billing.invoices import models as invoices
from backend.billing.ledger import models as ledger
from backend.billing.metering import models as metering
from backend.billing.payments import message_models as payment_messages
from backend.billing.payments import models as payments
from backend.billing.prices import models as prices
from backend.billing.runs import models as billing_runs
from backend.catalogue import models as catalogue
from backend.database import Base
from backend.domains import models as domains
from backend.factors import models as factors
from backend.hooks import models as hooks
from backend.jobs import models as jobs
from backend.mail import models as mail
from backend.oauth import models as oauth
from backend.projects import models as projects
from backend.roles import models as roles
from backend.services import models as services
from backend.sources import models as sources
from backend.users import models as users
from backend.verificationcodes import models as verificationcodes

metadata = Base.metadata

__all__ = [
    "audit",
    "billing_runs",
    "catalogue",
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
    "oauth",
    "payment_messages",
    "payments",
    "prices",
    "projects",
    "roles",
    "services",
    "sources",
    "users",
    "verificationcodes",
]
