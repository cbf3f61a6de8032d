-- Which sources have which documents. One that several have goes when none of them has it any more.
CREATE TABLE brought (
    -- As a manifest calls it, or as it was written on a command line. Empty: folders and files named there.
    source          TEXT    NOT NULL,
    document        TEXT    NOT NULL,
    -- The last listing that met the document.
    job             TEXT    NOT NULL,
    PRIMARY KEY (source, document)
) STRICT, WITHOUT ROWID;

CREATE INDEX brought_by_document ON brought (document);

INSERT INTO brought (source, document, job)
SELECT '', id, '' FROM documents WHERE origin->>'from' = 'file' AND state <> 'removed';

-- What is kept of a source from one listing to the next.
CREATE TABLE sources (
    collection      TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    -- When it was last listed by its schedule.
    begun_at_ms     INTEGER NOT NULL DEFAULT 0,
    -- What a crawl found where, as JSON.
    memory          TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (collection, source)
) STRICT, WITHOUT ROWID;
