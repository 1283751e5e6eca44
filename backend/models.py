"""Every model, imported once, so that the metadata is complete for Alembic and the mapper."""

from backend.audit import models as audit
from backend.catalogue import models as catalogue
from backend.database import Base
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
    "catalogue",
    "factors",
    "hooks",
    "jobs",
    "mail",
    "metadata",
    "oauth",
    "projects",
    "roles",
    "services",
    "sources",
    "users",
    "verificationcodes",
]
