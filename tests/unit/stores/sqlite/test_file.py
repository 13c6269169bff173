"""The SQLite engine's own: its file, its settings, and files that are none of ours."""

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2

from relay.errors import StoreUnavailable, StoreUnusable
from relay.stores.records import Retention
from relay.stores.sqlite.engine import SqliteStore
from tests.contract.stores.engine import NOW, Appender, SqliteEngine, after, soon
from tests.support.waiting import DEADLINE

DAY = 86400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"


@pytest.fixture
async def engine(path: Path) -> SqliteEngine:
    return SqliteEngine(path)


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def put_database(path: Path, *statements: str) -> None:
    """Write a database as another program would."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def damage(path: Path) -> None:
    """Overwrite the first pages behind the header."""
    data = bytearray(path.read_bytes())
    data[100:8192] = b"\xff" * 8092
    path.write_bytes(bytes(data))


def permissions(folder: Path) -> dict[str, int]:
    """Return what others than the owner may do with each file."""
    return {file.name: file.stat().st_mode & 0o077 for file in folder.iterdir()}


def files(folder: Path) -> Mapping[str, bytes]:
    """Return what stands in a folder, but for the lock, which tells nothing."""
    return {
        file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(".lock")
    }


async def refused(path: Path, text: str) -> None:
    before = files(path.parent)
    with pytest.raises(StoreUnusable, match=text):
        await SqliteStore(path).open()
    assert files(path.parent) == before, "the file was changed"


async def test_file_that_is_no_database_is_left_alone(path: Path) -> None:
    """A file that somebody else needs is refused and untouched, byte for byte."""
    put(path, b"precious text, and long enough to look like a header of something else\n" * 100)
    await refused(path, "not a database")


async def test_database_of_another_program_is_left_alone(path: Path) -> None:
    """Somebody else's SQLite database gets none of our tables, and keeps its journal mode."""
    put_database(path, "CREATE TABLE precious (a)", "INSERT INTO precious VALUES (1)")
    await refused(path, "not a relay's")


async def test_database_of_another_program_with_a_version_is_left_alone(path: Path) -> None:
    """The same if that program numbers its versions as we do."""
    put_database(path, "CREATE TABLE precious (a)", "PRAGMA user_version = 1")
    await refused(path, "relay")


async def test_newer_schema_is_refused(path: Path, engine: SqliteEngine) -> None:
    """After a downgrade the old version says which one is needed, and changes nothing."""
    await engine.close(await engine.open())
    connection = dbapi2.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.commit()
    connection.close()
    await refused(path, "written by a newer relay")


async def test_damaged_database_is_refused(path: Path, engine: SqliteEngine) -> None:
    """A file whose pages are overwritten is told, not repaired by chance."""
    store = await engine.open()
    appender = Appender(store)
    for _ in range(50):
        await appender.append(raw=bytes(2000))
    await engine.close(store)
    damage(path)
    with pytest.raises(StoreUnusable, match=r"can't be used|malformed"):
        await SqliteStore(path).open()


async def test_path_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """A wrong `store:` is told with its path."""
    with pytest.raises(StoreUnusable, match=tmp_path.name):
        await SqliteStore(tmp_path).open()


async def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A parent that is a file is told like any other fault of the place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="file"):
        await SqliteStore(tmp_path / "file" / "relay.db").open()


async def test_refused_store_can_be_opened_once_it_is_mended(
    path: Path, engine: SqliteEngine
) -> None:
    """A refusal holds no lock."""
    put(path, b"not a database" * 100)
    await refused(path, "not a database")
    put(path, b"")
    await engine.close(await engine.open())


async def test_every_commit_is_synced(engine: SqliteEngine) -> None:
    """WAL with synchronous=FULL: what is committed is on the disk and not only on its way."""
    store = await engine.open()
    settings = {
        name: store.database.opened.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2}
    await engine.close(store)


async def test_reader_cannot_write(engine: SqliteEngine) -> None:
    """Only the writer's connection writes: the second one is read-only, and never checkpoints."""
    store = await engine.open()
    with pytest.raises(dbapi2.OperationalError, match="readonly"):
        store.database.opened.reader.execute("DELETE FROM event")
    assert store.database.opened.reader.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    await engine.close(store)


async def test_read_that_fails_is_the_stores_fault(engine: SqliteEngine) -> None:
    """SQLite's own errors stop here, also once the file is closed."""
    store = await engine.open()
    with pytest.raises(StoreUnavailable, match="could not be read: no such table"):
        await store.database.read(lambda connection: connection.execute("SELECT 1 FROM missing"))
    await engine.close(store)
    with pytest.raises(StoreUnavailable, match="could not be read"):
        await store.asking.counts()


async def test_sqlite_is_one_without_the_wal_reset_bug() -> None:
    """The bundled SQLite is 3.51.3 or later."""
    assert dbapi2.sqlite_version_info >= (3, 51, 3)


async def test_file_is_whole_after_a_full_disk(path: Path, engine: SqliteEngine) -> None:
    """After commits that failed for want of space, SQLite finds nothing wrong with the file."""
    store = await engine.open()
    appender = Appender(store)
    await engine.fill_disk(store)
    answers = await asyncio.gather(
        *(soon(appender.start(appender.event(raw=bytes(50_000)))) for _ in range(20)),
        return_exceptions=True,
    )
    assert any(isinstance(answer, Exception) for answer in answers)
    await engine.free_disk(store)
    await appender.append()
    await engine.close(store)
    connection = dbapi2.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_files_are_for_their_owner_alone(path: Path, engine: SqliteEngine) -> None:
    """Bodies of webhooks are nobody else's concern: others can't read the database or its log."""
    store = await engine.open()
    await Appender(store).append()
    modes = permissions(path.parent)
    await engine.close(store)
    assert set(modes.values()) == {0}, modes


async def test_mark_never_passes_what_is_in_memory_alone(path: Path) -> None:
    """Batches without a pause between them, the mark moving with each: a crash loses nothing."""
    store = SqliteStore(path, mark_every=0.0)
    await store.open()
    appender = Appender(store)
    futures = []
    for _ in range(5):
        futures.append(appender.start(appender.event(), {"inbox": True}))
        await asyncio.sleep(0)  # its commit is under way when the next one comes
        await asyncio.sleep(0)
    await asyncio.gather(*futures)
    await store.close()  # no delivery was settled, as after a crash
    again = SqliteStore(path)
    await again.open()
    assert (await again.asking.counts()).pending == {"inbox": 5}
    await again.close()


async def test_space_of_what_was_pruned_is_given_back_while_commits_go_on(
    engine: SqliteEngine, path: Path
) -> None:
    """Large bodies too: the file shrinks step by step, and commits come between the steps."""
    store = await engine.open()
    appender = Appender(store)
    for _ in range(40):
        await appender.append({}, raw=bytes(1 << 20))
    pruning = asyncio.create_task(
        store.operating.prune(Retention(DAY, DAY), after(2 * DAY), 0, 100)
    )
    between = 0
    while not pruning.done():
        await appender.append({}, now=NOW + 2 * DAY)
        between += 1
    assert (await pruning).events == 40
    assert between > 3
    await engine.close(store)
    assert await asyncio.to_thread(lambda: path.stat().st_size) < 4 << 20


async def test_close_waits_for_a_read_that_was_cancelled(path: Path) -> None:
    """Its thread goes on: with its connection closed under it, the process would end there."""
    store = SqliteStore(path)
    await store.open()
    started, go_on = threading.Event(), threading.Event()
    outcome: list[Any] = []

    def read(connection: Any) -> None:
        started.set()
        go_on.wait(DEADLINE)
        outcome.append(connection.execute("SELECT 1").fetchone())

    reading = asyncio.create_task(store.database.read(read))
    await asyncio.to_thread(started.wait, DEADLINE)
    reading.cancel()
    closing = asyncio.create_task(store.close())
    # Without the wait it is closed by then, or a little later: the read fails either way.
    await asyncio.wait({closing}, timeout=0.2)
    go_on.set()
    await closing
    assert outcome == [(1,)]
