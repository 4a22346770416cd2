"""The tables of ledger.db.

`ledger` and `journal` are chains: `head` is a hash over the row before and this row's `body`, and the columns
that queries use are computed from `body` by SQLite itself, so that what is indexed is what is chained.
Triggers keep our own mistakes from changing a row; an intruder's changes are what the chain and the anchor find.
"""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "SCHEMA", "SCHEMA_VERSION"]

SCHEMA_VERSION = 1
APPLICATION_ID = 0x46454457  # "FEDW"

SCHEMA = """
CREATE TABLE ledger (
    sequence INTEGER PRIMARY KEY,
    body     TEXT NOT NULL,
    head     BLOB NOT NULL CHECK (length(head) = 32),
    kind     TEXT NOT NULL GENERATED ALWAYS AS (json_extract(body, '$.kind')) VIRTUAL
             CHECK (kind IN ('reserve', 'settle', 'lock', 'unlock')),
    study    TEXT GENERATED ALWAYS AS (json_extract(body, '$.study')) VIRTUAL,
    round    INTEGER GENERATED ALWAYS AS (json_extract(body, '$.round')) VIRTUAL,
    attempt  INTEGER GENERATED ALWAYS AS (json_extract(body, '$.attempt')) VIRTUAL,
    data_set TEXT GENERATED ALWAYS AS (json_extract(body, '$.data_set')) VIRTUAL,
    event    TEXT GENERATED ALWAYS AS (json_extract(body, '$.event')) VIRTUAL
) STRICT;
CREATE UNIQUE INDEX reserved_once ON ledger (study, round, attempt) WHERE kind = 'reserve';
CREATE UNIQUE INDEX settled_once ON ledger (study, round, attempt) WHERE kind = 'settle';
CREATE INDEX spent ON ledger (data_set) WHERE kind = 'reserve';
CREATE INDEX locked ON ledger (sequence) WHERE kind IN ('lock', 'unlock');
CREATE TRIGGER ledger_keeps BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;
CREATE TRIGGER ledger_stays BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;

CREATE TABLE journal (
    sequence  INTEGER PRIMARY KEY,
    body      TEXT NOT NULL,
    head      BLOB NOT NULL CHECK (length(head) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    kind      TEXT NOT NULL GENERATED ALWAYS AS (json_extract(body, '$.kind')) VIRTUAL
) STRICT;
CREATE INDEX journal_kind ON journal (kind, sequence);
CREATE TRIGGER journal_keeps BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
CREATE TRIGGER journal_stays BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;

CREATE TABLE studies (
    hash                BLOB PRIMARY KEY CHECK (length(hash) = 32),
    manifest            BLOB NOT NULL,
    signature           BLOB NOT NULL,
    round_key_body      BLOB NOT NULL,
    round_key_signature BLOB NOT NULL,
    offered_at          INTEGER NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected', 'withdrawn')),
    decision            BLOB,
    decision_signature  BLOB,
    durable_through     INTEGER NOT NULL DEFAULT 0,
    concluded_at        INTEGER
) STRICT;

CREATE TABLE replies (
    instruction   BLOB PRIMARY KEY CHECK (length(instruction) = 32),
    study         BLOB NOT NULL REFERENCES studies (hash),
    round         INTEGER NOT NULL,
    head          BLOB NOT NULL,
    seal          BLOB NOT NULL CHECK (length(seal) = 64),
    signature     BLOB NOT NULL CHECK (length(signature) = 64),
    payload_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX replies_of ON replies (study, round);
"""
