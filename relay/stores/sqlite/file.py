"""Opens a store's SQLite file: locks, checks, migrates it, and recovers after a crash. Blocking.

Exactly one connection writes and checkpoints; reads go through a second, read-only one.
"""

import fcntl
import os
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2

from relay.errors import StoreUnusable
from relay.event import TAG_BITS
from relay.stores.sqlite import backlog, rows
from relay.stores.sqlite.schema import VERSIONS

_SAFE = (3, 51, 3)
_APPLICATION = 0x52454C59  # "RELY", in the file's header

# For a value of any other type than int, float and str, the driver looks for an adapter, then for
# methods by which the value adapts itself, by way of two exceptions: that takes three times as long
# as all the rest of binding it. Adapters that do nothing save that.
dbapi2.register_adapter(bytes, bytes)
dbapi2.register_adapter(bool, int)
dbapi2.register_adapter(type(None), lambda _: None)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file: its two connections, and the first facts of the store in it.

    `tag` is the store's, `last_seq` the highest sequence number of its events, `pending` how many
    deliveries have not ended. `lock` is the descriptor that keeps other processes out.
    """

    connection: Any
    reader: Any
    tag: int
    last_seq: int
    pending: int
    lock: int

    def close(self) -> None:
        """Close the file; the writing connection closes last, and writes the log back into it."""
        self.reader.close()
        self.connection.close()
        os.close(self.lock)

    def abandon(self) -> None:
        """Close a file whose sync has failed, without writing or syncing anything again.

        The last connection to close can only read, so that SQLite leaves the log where it is.
        """
        self.connection.close()
        self.reader.close()
        os.close(self.lock)


def open_file(path: Path, busy: float) -> Opened:
    """Lock the file, check it, migrate, recover; raise StoreUnusable with the remedy.

    A foreign lock on the file is waited for `busy` seconds.
    """
    if dbapi2.sqlite_version_info < _SAFE:
        raise StoreUnusable(
            f"SQLite {dbapi2.sqlite_version} can corrupt a WAL database; install pysqlite3 >= 0.6.1"
        )
    with ExitStack() as opened:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = _lock(path)
            opened.callback(os.close, lock)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            _check_header(path)
        except OSError as error:
            raise StoreUnusable(
                f"{path} can't be made or written: {error.strerror}; check the folder and its mode"
            ) from error
        try:
            connection = _connect(path, busy)
            opened.callback(connection.close)
            tag, last_seq = _prepare(path, connection)
            reader = _connect(f"{path.absolute().as_uri()}?mode=ro", busy)
            opened.callback(reader.close)
            reader.execute("PRAGMA wal_autocheckpoint = 0")
            pending = backlog.pending(reader)
        except dbapi2.Error as error:
            raise StoreUnusable(
                f"{path} can't be used: {error}. Nothing was changed; check that it is a relay's "
                "database, that it can be written, and that the disk has space"
            ) from error
        opened.pop_all()
        return Opened(connection, reader, tag, last_seq, pending, lock)


def _connect(name: Path | str, busy: float) -> Any:
    return dbapi2.connect(
        name,
        uri=isinstance(name, str),
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


def _prepare(path: Path, connection: Any) -> tuple[int, int]:
    """Bring the file to the newest schema and recover; return its tag and the highest `seq`."""
    if not path.stat().st_size:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # On macOS a plain fsync does not reach the disk:
    # https://sqlite.org/pragma.html#pragma_fullfsync
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA cache_size = -16384")
    if connection.execute("PRAGMA synchronous").fetchone() != (2,):
        raise StoreUnusable(f"{path}: this SQLite does not sync every commit")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    _check_version(path, version)
    connection.execute("BEGIN IMMEDIATE")
    for number, script in enumerate(VERSIONS[version:], version + 1):
        for statement in script.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute(
        "INSERT INTO meta VALUES ('tag', ?), ('mark', 0) ON CONFLICT DO NOTHING",
        (secrets.randbits(TAG_BITS),),
    )
    tag = _meta(connection, "tag")
    last_seq = _recover(connection, tag)
    connection.execute("COMMIT")
    # Now the file itself tells whose it is, also without its log.
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return tag, last_seq


def _recover(connection: Any, tag: int) -> int:
    """Make pending what the last process had claimed or in memory; return the highest `seq`."""
    connection.execute("UPDATE delivery SET state = 0, token = NULL WHERE state = 1")
    mark = _meta(connection, "mark")
    events = connection.execute(f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE seq >= ?", (mark,))
    missing: list[Any] = []
    for row in events:
        owed = rows.read_owed(row[8])
        known = {
            n for (n,) in connection.execute("SELECT n FROM delivery WHERE event = ?", (row[0],))
        }
        event = rows.read_event(row, tag) if len(known) < len(owed) else None
        if event is not None:
            for n, delivery in enumerate(owed):
                if n not in known:
                    since = rows.accepted_at(event)
                    missing += rows.pending_row(event, n, delivery, since)
    rows.insert_many(connection, rows.INSERT_DELIVERIES, "", rows.DELIVERY_WIDTH, missing)
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    connection.execute("UPDATE meta SET value = ? WHERE key = 'mark'", (last + 1,))
    return int(last)


def _check_header(path: Path) -> None:
    """Raise StoreUnusable if the file is not a relay's, before anything of it is touched.

    The header's format: https://sqlite.org/fileformat2.html#the_database_header
    """
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        return
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise StoreUnusable(f"{path} is not a database; name another file as `store`")
    if int.from_bytes(header[68:72], "big") != _APPLICATION:
        raise StoreUnusable(
            f"{path} is a database, but not a relay's; name another file as `store`"
        )
    _check_version(path, int.from_bytes(header[60:64], "big"))


def _check_version(path: Path, version: int) -> None:
    if version > len(VERSIONS):
        raise StoreUnusable(
            f"{path} was written by a newer relay (schema {version}, this one knows "
            f"{len(VERSIONS)}); run that version, or start with another file"
        )


def _meta(connection: Any, key: str) -> int:
    (value,) = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return int(value)


def _lock(path: Path) -> int:
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreUnusable(
            f"{path} is in use by another relay; stop that one, "
            "or give this one a `store` of its own"
        ) from None
    return handle
