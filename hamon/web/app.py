"""The application: routes put together, and every error turned into a page or a problem that says what to do."""

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from hamon import __version__
from hamon.classify.settings import ClusterSettings
from hamon.clock import Clock
from hamon.errors import StoreError
from hamon.expose.ha_cluster import RoleNames
from hamon.expose.text import CONTENT_TYPE
from hamon.ports import Store, Views
from hamon.web import api
from hamon.web.answers import Problem
from hamon.web.exposition import Metrics, exposition
from hamon.web.front import Ready, alive, readiness
from hamon.web.headers import SecurityHeaders
from hamon.web.pages import Pages
from hamon.web.policy import ALWAYS
from hamon.web.settings import WebConfig

log = logging.getLogger(__name__)


def create(
    store: Store,
    views: Views,
    clock: Clock,
    config: WebConfig,
    metrics: Metrics,
    ready: Ready,
    settings: Mapping[str, ClusterSettings] | None = None,
) -> FastAPI:
    """Build the application. `ready` gives what is not ready yet (nothing: ready); `settings` name the services of clusters."""
    app = FastAPI(title=config.title, version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    pages = Pages(store, views, clock, config, ready)
    app.add_middleware(SecurityHeaders)
    app.include_router(api.routes(store, views, clock, ready, settings))
    app.include_router(pages.routes())
    app.mount("/static", StaticFiles(directory=str(files("hamon.web") / "static")), name="static")
    _add_machine_routes(app, metrics, ready)
    _add_error_handlers(app, pages)
    return app


def _add_machine_routes(app: FastAPI, metrics: Metrics, ready: Ready) -> None:
    @app.api_route("/healthz", methods=["GET", "HEAD"], include_in_schema=False)
    async def healthz() -> JSONResponse:
        status, said = alive()
        return JSONResponse(said, status)

    @app.api_route("/readyz", methods=["GET", "HEAD"], include_in_schema=False)
    async def readyz() -> JSONResponse:
        status, said = readiness(ready)
        return JSONResponse(said, status)

    async def all_metrics(request: Request) -> Response:
        chunks, content_type = await asyncio.to_thread(metrics.scrape)
        return exposition(request, chunks, content_type)

    async def of_one_cluster(request: Request) -> Response:
        cluster, roles = request.query_params.get("cluster", ""), request.query_params.get("roles")
        if roles not in (None, *RoleNames):
            return PlainTextResponse("roles is new or old\n", 422)
        body = await metrics.ha_cluster(cluster, RoleNames(roles) if roles else None)
        if body is None:
            return PlainTextResponse("no cluster of this name is polled; give ?cluster=NAME, of one that a crm_mon collector asks\n", 404)
        return exposition(request, [body], CONTENT_TYPE)

    app.add_route("/metrics", all_metrics, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_route("/metrics/ha_cluster", of_one_cluster, methods=["GET", "HEAD"], include_in_schema=False)


def _add_error_handlers(app: FastAPI, pages: Pages) -> None:
    def answer(request: Request, status: int, detail: str, errors: list[dict[str, str]] | None = None) -> Response:
        title = HTTPStatus(status).phrase
        if request.url.path.startswith("/api/"):
            problem = Problem(title=title, status=status, detail=detail, errors=errors)
            return JSONResponse(problem.model_dump(exclude_none=True), status, media_type="application/problem+json")
        return pages.error(request, status, detail)

    @app.exception_handler(HTTPException)
    async def http(request: Request, err: HTTPException) -> Response:
        response = answer(request, err.status_code, err.detail)
        response.headers.update(err.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, err: RequestValidationError) -> Response:
        # What was given is not echoed: it may be anything.
        errors = [{"parameter": ".".join(str(part) for part in error["loc"][1:]), "message": error["msg"]} for error in err.errors()]
        return answer(request, 422, "One or more parameters are wrong.", errors[:20])

    @app.exception_handler(StoreError)
    async def no_history(request: Request, err: StoreError) -> Response:
        response = answer(request, 503, str(err))
        response.headers["Retry-After"] = "5"
        return response

    @app.exception_handler(Exception)
    async def defect(request: Request, err: Exception) -> Response:
        # The server raises it again after this answer, and so logs it with its traceback. This answer passes no middleware.
        response = answer(request, 500, "hamon met a defect of its own; its log tells more.")
        response.headers.update(ALWAYS | {"Cache-Control": "no-store"})
        return response
