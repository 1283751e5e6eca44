"""All routers of the API, in the order of the reference page."""

from fastapi import APIRouter

from backend.catalogue.router import router as catalogue
from backend.jobs import router as jobs
from backend.lk.router import router as lk
from backend.monitoring import router as monitoring
from backend.oauth.router import router as oauth
from backend.projects.router import router as projects
from backend.services import router as services
from backend.services.deployments_router import router as deployments
from backend.services.orders_router import router as orders
from backend.services.variables_router import router as variables
from backend.users.router import router as users

ROUTERS: tuple[APIRouter, ...] = (
    oauth,
    users,
    lk,
    projects,
    catalogue,
    orders,
    services.router,
    variables,
    deployments,
    jobs.router,
    monitoring.admin,
    services.admin,
    jobs.admin,
    monitoring.router,
)
