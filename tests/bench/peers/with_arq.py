"""A webhook endpoint and its worker as people write them by hand: FastAPI, arq on Redis, httpx.

`uvicorn with_arq:app` runs the one, `arq with_arq.WorkerSettings` the other.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from arq import Retry, create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Request

REDIS = RedisSettings(port=int(os.environ["BENCH_REDIS"]))
TARGET = os.environ["BENCH_TARGET"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.jobs = await create_pool(REDIS)
    yield
    await app.state.jobs.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/in/bench", status_code=202)
async def accept(request: Request) -> dict[str, str]:
    body = await request.body()
    job = await app.state.jobs.enqueue_job("deliver", body, request.headers.get("x-sent", ""))
    return {"id": job.job_id}


async def deliver(ctx: dict[str, Any], body: bytes, sent: str) -> None:
    headers = {"content-type": "application/json", "x-sent": sent}
    response = await ctx["client"].post(TARGET, content=body, headers=headers)
    if response.is_error:
        raise Retry(defer=ctx["job_try"] * 5)


async def startup(ctx: dict[str, Any]) -> None:
    ctx["client"] = httpx.AsyncClient()


class WorkerSettings:
    """Ten times the default jobs at a time, polled for five times as often, no result kept."""

    functions = (deliver,)
    on_startup = startup
    redis_settings = REDIS
    max_jobs = 100
    poll_delay = 0.1
    keep_result = 0
