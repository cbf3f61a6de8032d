-- What is said of a document beside its text (tags, date, language), as JSON; the same on all its points, as `allow` is.
ALTER TABLE documents ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
-- What a reader should know of its text, as a JSON list: pages without text, for one.
ALTER TABLE documents ADD COLUMN notices TEXT NOT NULL DEFAULT '[]';
-- origin: what it is made from is read. kept: the text that is kept will do, where it was extracted as it would be now.
ALTER TABLE work ADD COLUMN reading TEXT NOT NULL DEFAULT 'origin';

-- The extracted text of each version that has points, since spans point into it.
CREATE TABLE texts (
    document        TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    -- What it was extracted by: another one may give another text of the same bytes.
    extraction      TEXT    NOT NULL,
    -- As it came from the reader, compressed.
    body            BLOB    NOT NULL,
    PRIMARY KEY (document, version)
) STRICT;

-- MinHash signatures of texts, to find those that are nearly the same.
CREATE TABLE signatures (
    document        TEXT    PRIMARY KEY NOT NULL,
    collection      TEXT    NOT NULL,
    minima          BLOB    NOT NULL
) STRICT;

-- Pieces of the signatures. Texts that are nearly the same share one.
CREATE TABLE signature_bands (
    collection      TEXT    NOT NULL,
    band            INTEGER NOT NULL,
    hash            INTEGER NOT NULL,
    document        TEXT    NOT NULL,
    PRIMARY KEY (collection, band, hash, document)
) STRICT, WITHOUT ROWID;

CREATE INDEX signature_bands_by_document ON signature_bands (document);

DROP VIEW shown;

-- Each document as it is shown: work that is to do hides what stands. What was never there is not shown as removed.
CREATE VIEW shown AS
SELECT d.id, d.collection, d.external_id, COALESCE(w.origin, d.origin) AS origin, COALESCE(w.state, d.state) AS state,
       d.state AS stands, d.version, d.generation, d.title, d.chunks, d.allow, d.metadata, d.notices, d.changed_at_ms,
       MAX(d.bytes, COALESCE(w.bytes, 0)) AS bytes,
       CASE WHEN w.state IS NULL THEN d.code ELSE w.code END AS code,
       CASE WHEN w.state IS NULL THEN d.reason ELSE w.reason END AS reason,
       w.job, w.stage, w.chunks_done, w.chunks_total, w.failures, w.class, w.next_try_at_ms, w.heartbeat_at_ms,
       w.queued_at_ms
FROM documents d
LEFT JOIN work w ON w.number = (SELECT MAX(number) FROM work WHERE document = d.id AND state <> 'ended')
WHERE d.state <> 'removed' OR d.version > 0 OR w.state IS NOT NULL;
