-- What stands and what is to do become two tables. A row of `documents` keeps what was last finished; what is being
-- made of the document stands beside it (begun_…) and takes its place at the end, so that work which is cancelled
-- leaves the document as it was.
CREATE TABLE documents_3 (
    id                  TEXT    PRIMARY KEY NOT NULL,
    collection          TEXT    NOT NULL,
    external_id         TEXT    NOT NULL,
    -- Where it comes from, as JSON, and the stored upload that it needs (empty: none).
    origin              TEXT    NOT NULL DEFAULT '{"from":"file"}',
    blob                TEXT    NOT NULL DEFAULT '',
    -- new: nothing is finished yet. removed: has no points; the row stays for a while, to be seen.
    state               TEXT    NOT NULL CHECK (state IN ('new', 'indexed', 'rejected', 'removed')),
    version             INTEGER NOT NULL DEFAULT 0,
    content_hash        TEXT    NOT NULL DEFAULT '',
    text_hash           TEXT    NOT NULL DEFAULT '',
    -- Who may see it, as all its points say: those of a begun version too.
    allow               TEXT    NOT NULL DEFAULT '[]',
    -- Which index holds the version (a store's generation). Rows of another one count as not indexed.
    generation          TEXT    NOT NULL DEFAULT '',
    -- The last version that was begun. Above `version`: half of it may be in the index.
    begun_version       INTEGER NOT NULL DEFAULT 0,
    begun_content_hash  TEXT    NOT NULL DEFAULT '',
    begun_text_hash     TEXT    NOT NULL DEFAULT '',
    begun_generation    TEXT    NOT NULL DEFAULT '',
    title               TEXT    NOT NULL DEFAULT '',
    chunks              INTEGER NOT NULL DEFAULT 0,
    bytes               INTEGER NOT NULL DEFAULT 0,
    -- Why it is rejected: for programs and for people.
    code                TEXT    NOT NULL DEFAULT '',
    reason              TEXT    NOT NULL DEFAULT '',
    -- What its file looked like from outside (empty: not known), so that it need not be read to be found unchanged.
    stamp               TEXT    NOT NULL DEFAULT '',
    -- Milliseconds since 1970, UTC, as every column in `_ms`.
    changed_at_ms       INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, external_id)
) STRICT;

INSERT INTO documents_3 (id, collection, external_id, state, version, content_hash, text_hash, allow, generation,
                         begun_version, begun_content_hash, begun_text_hash, begun_generation,
                         title, chunks, code, reason, changed_at_ms)
SELECT id, collection, external_id,
       CASE state WHEN 'indexed' THEN 'indexed' WHEN 'rejected' THEN 'rejected' ELSE 'new' END,
       -- What was being worked on had its new version in its row already.
       CASE state WHEN 'indexed' THEN version WHEN 'rejected' THEN version ELSE 0 END,
       content_hash, text_hash, allow, generation,
       version, content_hash, text_hash, generation,
       title, chunks, CASE state WHEN 'rejected' THEN 'rejected' ELSE '' END, reason,
       CAST(strftime('%s', changed_at) AS INTEGER) * 1000
FROM documents;

-- One row a thing that somebody asked for.
CREATE TABLE jobs (
    id              TEXT    PRIMARY KEY NOT NULL,
    collection      TEXT    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('ingest', 'upload', 'remove', 'retry')),
    name            TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'cancelling', 'done', 'cancelled', 'failed')),
    reason          TEXT    NOT NULL DEFAULT '',
    -- 1 once all its documents are in `work`.
    listed          INTEGER NOT NULL DEFAULT 0,
    created_at_ms   INTEGER NOT NULL,
    started_at_ms   INTEGER,
    ended_at_ms     INTEGER,
    documents       INTEGER NOT NULL DEFAULT 0,
    bytes           INTEGER NOT NULL DEFAULT 0,
    ended           INTEGER NOT NULL DEFAULT 0,
    bytes_ended     INTEGER NOT NULL DEFAULT 0,
    -- Those that ended, by how. `unchanged` also counts those that never became work.
    indexed         INTEGER NOT NULL DEFAULT 0,
    access_changed  INTEGER NOT NULL DEFAULT 0,
    unchanged       INTEGER NOT NULL DEFAULT 0,
    rejected        INTEGER NOT NULL DEFAULT 0,
    removed         INTEGER NOT NULL DEFAULT 0,
    superseded      INTEGER NOT NULL DEFAULT 0,
    cancelled       INTEGER NOT NULL DEFAULT 0,
    chunks          INTEGER NOT NULL DEFAULT 0,
    -- Files of no kind that cairn reads, and what was asked for and could not be had, as a JSON list.
    skipped         INTEGER NOT NULL DEFAULT 0,
    problems        TEXT    NOT NULL DEFAULT '[]'
) STRICT;

CREATE INDEX jobs_by_end ON jobs (ended_at_ms);

-- One row a document of a job: what is to do, and once it is done how it ended.
CREATE TABLE work (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    job             TEXT    NOT NULL,
    -- Lanes take turns: a job over many documents has one of its own, the uploads of a collection share one.
    lane            TEXT    NOT NULL,
    document        TEXT    NOT NULL,
    -- undo: take out what a cancelled job left half-made.
    action          TEXT    NOT NULL CHECK (action IN ('index', 'remove', 'undo')),
    origin          TEXT    NOT NULL,
    blob            TEXT    NOT NULL DEFAULT '',
    bytes           INTEGER NOT NULL DEFAULT 0,
    stamp           TEXT    NOT NULL DEFAULT '',
    state           TEXT    NOT NULL CHECK (state IN ('queued', 'working', 'waiting', 'ended')),
    -- Progress: how far it is.
    stage           TEXT    NOT NULL DEFAULT '',
    chunks_done     INTEGER NOT NULL DEFAULT 0,
    chunks_total    INTEGER NOT NULL DEFAULT 0,
    -- Heartbeat: that somebody works on it. Who holds it is told by `attempt`; the lease says until when.
    attempt         INTEGER NOT NULL DEFAULT 0,
    heartbeat_at_ms INTEGER NOT NULL DEFAULT 0,
    lease_until_ms  INTEGER NOT NULL DEFAULT 0,
    failures        INTEGER NOT NULL DEFAULT 0,
    next_try_at_ms  INTEGER NOT NULL DEFAULT 0,
    class           TEXT    NOT NULL DEFAULT '',
    queued_at_ms    INTEGER NOT NULL,
    -- Counts the ended ones of a job, in their order.
    ended           INTEGER,
    outcome         TEXT    NOT NULL DEFAULT '',
    chunks          INTEGER NOT NULL DEFAULT 0,
    code            TEXT    NOT NULL DEFAULT '',
    reason          TEXT    NOT NULL DEFAULT '',
    UNIQUE (job, document)
) STRICT;

CREATE INDEX work_by_lane ON work (lane, state, number);
CREATE INDEX work_by_document ON work (document, state);
CREATE INDEX work_by_job ON work (job, state);
CREATE INDEX work_by_end ON work (job, ended);
CREATE INDEX work_by_state ON work (state, next_try_at_ms);
CREATE INDEX work_by_blob ON work (blob) WHERE blob <> '';

CREATE TABLE lanes (
    lane            TEXT    PRIMARY KEY NOT NULL,
    collection      TEXT    NOT NULL,
    -- When it was last served, as a count over all lanes.
    turn            INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What was to do becomes a job for each collection.
INSERT INTO jobs (id, collection, kind, name, state, listed, created_at_ms, documents)
SELECT 'before-' || collection, collection, 'ingest', 'begun by an earlier version', 'queued', 1,
       CAST(strftime('%s', 'now') AS INTEGER) * 1000, COUNT(*)
FROM documents WHERE state IN ('queued', 'working') GROUP BY collection;

INSERT INTO work (job, lane, document, action, origin, state, queued_at_ms)
SELECT 'before-' || collection, 'before-' || collection, id, 'index', '{"from":"file"}', 'queued',
       CAST(strftime('%s', 'now') AS INTEGER) * 1000
FROM documents WHERE state IN ('queued', 'working');

INSERT INTO lanes (lane, collection) SELECT id, collection FROM jobs;

DROP TABLE documents;
ALTER TABLE documents_3 RENAME TO documents;

CREATE INDEX documents_by_state ON documents (collection, state);
CREATE INDEX documents_by_blob ON documents (blob) WHERE blob <> '';

-- Each document as it is shown: work that is to do hides what stands. What was never there is not shown as removed.
CREATE VIEW shown AS
SELECT d.id, d.collection, d.external_id, COALESCE(w.origin, d.origin) AS origin, COALESCE(w.state, d.state) AS state,
       d.state AS stands, d.version, d.generation, d.title, d.chunks, d.allow, d.changed_at_ms,
       MAX(d.bytes, COALESCE(w.bytes, 0)) AS bytes,
       CASE WHEN w.state IS NULL THEN d.code ELSE w.code END AS code,
       CASE WHEN w.state IS NULL THEN d.reason ELSE w.reason END AS reason,
       w.job, w.stage, w.chunks_done, w.chunks_total, w.failures, w.class, w.next_try_at_ms, w.heartbeat_at_ms,
       w.queued_at_ms
FROM documents d
LEFT JOIN work w ON w.number = (SELECT MAX(number) FROM work WHERE document = d.id AND state <> 'ended')
WHERE d.state <> 'removed' OR d.version > 0 OR w.state IS NOT NULL;
