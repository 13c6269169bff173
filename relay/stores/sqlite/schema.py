"""The SQLite schema, by version; a version that was released is never edited.

An event that is delivered straight from memory costs two rows: its own, and one per delivery that
says how it ended. A delivery gets its row when it is first settled, or at accept if it has to wait
in the store. The partial indexes hold only pending deliveries and dead letters, so that their size
follows the backlog, not the history.

A delivery that waits for another of its `ordering` to end has no `due`: of each ordering, one at
most has. The table `partitions` has the targets that are divided into lanes, and into how many. The
key `mark` of `meta` is a sequence number: each delivery of an event below it has a row; one of an
event from there on that has none was in a lane's memory.
"""

VERSIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        received REAL NOT NULL,
        route TEXT NOT NULL,
        sender TEXT NOT NULL,
        type TEXT NOT NULL,
        key TEXT NOT NULL,
        dedupe_id TEXT NOT NULL,
        quarantined INTEGER NOT NULL,
        owed TEXT NOT NULL,
        query TEXT NOT NULL,
        headers BLOB NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE delivery (
        event INTEGER NOT NULL,
        n INTEGER NOT NULL,
        target TEXT NOT NULL,
        forward TEXT NOT NULL,
        state INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        since REAL NOT NULL,
        due REAL,
        token INTEGER,
        settled REAL,
        reason TEXT NOT NULL DEFAULT '',
        status INTEGER NOT NULL DEFAULT 0,
        detail TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (event, n)
    ) WITHOUT ROWID;
    CREATE INDEX delivery_due ON delivery (target, due) WHERE state = 0;
    CREATE INDEX delivery_open ON delivery (target, event) WHERE state IN (0, 1);
    CREATE INDEX delivery_claimed ON delivery (token) WHERE state = 1;
    CREATE INDEX delivery_dead ON delivery (target, reason) WHERE state = 3;
    CREATE INDEX delivery_dead_by_event ON delivery (event) WHERE state = 3;
    CREATE TABLE attempt (
        event INTEGER NOT NULL,
        n INTEGER NOT NULL,
        at REAL NOT NULL,
        attempt INTEGER NOT NULL,
        duration REAL NOT NULL,
        status INTEGER NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (event, n, at)
    ) WITHOUT ROWID;
    CREATE TABLE dedupe (
        id TEXT NOT NULL,
        scope TEXT NOT NULL,
        event INTEGER NOT NULL,
        until REAL NOT NULL,
        PRIMARY KEY (id, scope)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE delivery ADD COLUMN ordering TEXT NOT NULL DEFAULT '';
    CREATE TABLE paused (target TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX delivery_ordered ON delivery (target, ordering)
        WHERE state IN (0, 1) AND ordering != '';
    """,
    """
    ALTER TABLE delivery ADD COLUMN partition INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE partitions (target TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
    DROP INDEX delivery_due;
    CREATE INDEX delivery_due ON delivery (target, partition, due) WHERE state = 0;
    """,
)
