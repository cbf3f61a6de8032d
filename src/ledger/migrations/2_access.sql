-- Who may see a document, as a JSON list of groups (empty: all who may use the collection), and the hash of its title
-- and text, so that a change of access alone embeds nothing again.
ALTER TABLE documents ADD COLUMN allow TEXT NOT NULL DEFAULT '[]';
ALTER TABLE documents ADD COLUMN text_hash TEXT NOT NULL DEFAULT '';

-- One row a key, for ever: a revoked one stays, so that revoking the last does not open the service.
CREATE TABLE keys (
    id              TEXT    PRIMARY KEY NOT NULL,
    name            TEXT    NOT NULL,
    -- SHA-256 of the secret half, in hexadecimal. The secret itself is nowhere.
    secret_hash     TEXT    NOT NULL,
    -- JSON lists. No collections: all.
    permissions     TEXT    NOT NULL,
    collections     TEXT    NOT NULL,
    groups          TEXT    NOT NULL,
    -- Seconds since 1970, UTC.
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    last_used_at    INTEGER,
    revoked_at      INTEGER
) STRICT;
