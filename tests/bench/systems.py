"""All that is measured: the relay, the floors below it, and what else people use."""

from tests.bench.start_floors import alone, program
from tests.bench.start_peers import node_red, worker
from tests.bench.start_relay import fresh, relay
from tests.bench.system import Kind, System

_FORWARDED = (
    "the target has answered 2xx; nothing is stored, and what fails is the sender's to send again"
)
_COMMITTED = (
    "the event and all that it owes are on disk, synced; "
    "every delivery has an end that can be asked for"
)
_IN_REDIS = (
    "the job is in Redis' memory; "
    "a crash of Redis loses what came since its last snapshot (minutes)"
)
SYSTEMS = {
    system.name: system
    for system in (
        System(
            "relay",
            "the relay",
            _COMMITTED,
            Kind.FORWARDS,
            relay,
        ),
        System("fresh", "the relay with nothing stored before", _COMMITTED, Kind.FORWARDS, fresh),
        System(
            "forwarder",
            "stateless aiohttp forwarder, uvloop",
            _FORWARDED,
            Kind.FORWARDS,
            program("forwarder.py", forwards=True),
        ),
        System(
            "server",
            "bare aiohttp server, uvloop",
            "nothing: the body is read and forgotten",
            Kind.ACCEPTS,
            program("server.py", forwards=False),
        ),
        System(
            "client", "bare aiohttp client, uvloop, 64 tasks", "-", Kind.ALONE, alone("client.py")
        ),
        System(
            "sqlite",
            "SQLite alone, 64 rows in a synced transaction",
            "-",
            Kind.ALONE,
            alone("commit.py"),
        ),
        System(
            "node-red",
            "Node-RED: http in, function, http request",
            _FORWARDED,
            Kind.FORWARDS,
            node_red,
        ),
        System(
            "arq",
            "FastAPI on uvicorn, arq on Redis, httpx",
            _IN_REDIS,
            Kind.FORWARDS,
            worker("with_arq", "arq", "with_arq.WorkerSettings"),
        ),
        System(
            "celery",
            "FastAPI on uvicorn, Celery on Redis, requests",
            _IN_REDIS,
            Kind.FORWARDS,
            worker(
                "with_celery",
                "celery",
                "--app",
                "with_celery:celery",
                "worker",
                "--concurrency",
                "4",
                "--loglevel",
                "ERROR",
            ),
        ),
    )
}
