-- One row a document. It is also the queue: whatever is not indexed under the present index is still to do.
CREATE TABLE documents (
    id              TEXT    PRIMARY KEY NOT NULL,
    collection      TEXT    NOT NULL,
    external_id     TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('queued', 'working', 'indexed', 'rejected')),
    -- The version last worked on, and the hash of what it was made from. A new hash or index begins a new version.
    version         INTEGER NOT NULL DEFAULT 0,
    content_hash    TEXT    NOT NULL DEFAULT '',
    -- Which index holds the version (a store's generation). Rows of another one count as not indexed.
    generation      TEXT    NOT NULL DEFAULT '',
    title           TEXT    NOT NULL DEFAULT '',
    chunks          INTEGER NOT NULL DEFAULT 0,
    reason          TEXT    NOT NULL DEFAULT '',
    changed_at      TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (collection, external_id)
) STRICT;

CREATE INDEX documents_by_state ON documents (collection, state);
