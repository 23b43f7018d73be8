"""The tables of the history, the same in SQLite and PostgreSQL. `migrations/` makes them; a test compares the two.

Laws of the columns:

- A time is a BIGINT, microseconds since 1970 in UTC. Both databases compare and index it natively, no driver has to parse or
  format it, and PostgreSQL's time zone setting cannot touch it.
- Text went through `records.text`, so NUL and lone surrogates, which a log line may hold and a database refuses, survive.
- What is indexed and may come from a log line (`node`, `key`, `id`) went through `records.name`: it has a bounded length, because
  PostgreSQL refuses index entries above 2.7 kB, and one hostile line must not stop the recording for ever.
- JSON is TEXT, not JSONB: it is read back whole and never searched, and JSONB refuses NUL.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Only a column declared INTEGER is SQLite's own row number, which costs nothing.
_row_number = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("id", _row_number, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("collector", Text, nullable=False),
    Column("node", Text),
    Column("long_node", Text),  # the whole name, where `node` holds a shortened one
    Column("resource", Text),
    Column("reporter", Text),
    Column("detail", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("witness", Boolean, nullable=False),
    Index(None, "cluster", "id"),
    Index(None, "at"),
    Index(None, "kind", "id"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),  # of its latest step
    Column("stepped_at", BigInteger, nullable=False),  # time of its latest step; the age that retention goes by
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("planned", Boolean),
    Column("outcome", Text, nullable=False),
    Column("part_of", Text),
    Column("detected_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("resolved_at", BigInteger),
    Column("from_node", Text),
    Column("to_node", Text),
    Column("record", Text, nullable=False),  # the whole incident without its timeline, which is that of its latest transition
    Index(None, "detected_at"),
    Index(None, "cluster", "detected_at"),
    Index(None, "cluster", "part_of"),
    Index(None, "state", "stepped_at"),
)

# A timeline grows with every step. A row holds only what is new: its timeline is the first `timeline_kept` entries of the
# timeline of the step before (sequence - 1), followed by `timeline`.
transitions = Table(
    "transitions",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("record", Text, nullable=False),  # the transition and the incident as it was, without the timeline
    Column("timeline_kept", BigInteger, nullable=False),
    Column("timeline", Text, nullable=False),
    ForeignKeyConstraint(["cluster", "key"], ["incidents.cluster", "incidents.key"]),
)

# The outbox. The transition is not copied: it is the row of `transitions`, which is never deleted before its deliveries.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("long_id", Text),  # the whole id, where `id` is a shortened one
    Column("target", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("sent_at", BigInteger),
    Column("repeated", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    ForeignKeyConstraint(["cluster", "key", "sequence"], ["transitions.cluster", "transitions.key", "transitions.sequence"]),
    Index(None, "cluster", "key", "target", "sequence"),
    Index(None, "state", "created_at"),
)

# Device and inode are unsigned 64-bit numbers, more than a BIGINT holds; they are only compared, so they are kept as text.
positions = Table(
    "positions",
    metadata,
    Column("collector", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("inode", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("fingerprint_size", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

states = Table(
    "states",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

# What polling showed: a row for each change of the state, and for each time from which on the cluster could not be asked (`base` and
# `status` are NULL, `reason` says why). A state holds from `at` to the next row and was last seen at `until`. `status` is compressed; it is
# whole where `base` is `at`, else what differs from the row at `base` (see store.snapshots).
snapshots = Table(
    "snapshots",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
    Column("base", BigInteger),
    Column("collector", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", LargeBinary),
)

# Traps that wait to be passed on, in the order of their ids; a row is deleted once its target has it. `trap` is JSON.
relays = Table(
    "relays",
    metadata,
    Column("id", _row_number, primary_key=True),
    Column("target", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("trap", Text, nullable=False),
    Index(None, "target", "id"),
)

# One row with the token of the last batch: tells whether a commit whose answer got lost took place (see store.SqlStore.record).
batches = Table(
    "batches",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
)
