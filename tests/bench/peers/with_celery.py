"""A webhook endpoint and its worker as people write them: FastAPI, Celery on Redis, requests.

`uvicorn with_celery:app` runs the one, `celery --app with_celery:celery worker` the other.
"""

import os

import requests
from celery import Celery
from fastapi import FastAPI, Request

TARGET = os.environ["BENCH_TARGET"]
celery = Celery("bench", broker="redis://127.0.0.1:{}/0".format(os.environ["BENCH_REDIS"]))
celery.conf.task_ignore_result = True
app = FastAPI()
session = requests.Session()


@app.post("/in/bench", status_code=202)
async def accept(request: Request) -> dict[str, str]:
    body = await request.body()
    job = deliver.delay(body.decode(), request.headers.get("x-sent", ""))
    return {"id": job.id}


@celery.task(autoretry_for=(requests.RequestException,), retry_backoff=True)
def deliver(body: str, sent: str) -> None:
    headers = {"content-type": "application/json", "x-sent": sent}
    session.post(TARGET, data=body.encode(), headers=headers, timeout=15).raise_for_status()
