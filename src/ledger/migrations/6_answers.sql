-- Conversations that are kept here, for clients that don't keep their own.
CREATE TABLE conversations (
    id              TEXT    PRIMARY KEY NOT NULL,
    -- The id of the key that it belongs to. Empty: whoever is at this machine, or the time before there were keys.
    owner           TEXT    NOT NULL,
    collection      TEXT    NOT NULL,
    -- What its maker says of it, as a JSON object of texts.
    metadata        TEXT    NOT NULL DEFAULT '{}',
    messages        INTEGER NOT NULL DEFAULT 0,
    bytes           INTEGER NOT NULL DEFAULT 0,
    created_at_ms   INTEGER NOT NULL,
    used_at_ms      INTEGER NOT NULL
) STRICT;

CREATE INDEX conversations_by_owner ON conversations (owner, id);
CREATE INDEX conversations_by_use ON conversations (used_at_ms);

-- What was said in them, numbered from 1.
CREATE TABLE messages (
    conversation    TEXT    NOT NULL,
    number          INTEGER NOT NULL,
    role            TEXT    NOT NULL CHECK (role IN ('user', 'assistant')),
    text            TEXT    NOT NULL,
    -- The answer that this is, or that it asked for.
    answer          TEXT    NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (conversation, number)
) STRICT, WITHOUT ROWID;

-- How each answer came about. Ids that were made later sort later.
CREATE TABLE answers (
    id              TEXT    PRIMARY KEY NOT NULL,
    owner           TEXT    NOT NULL,
    collection      TEXT    NOT NULL,
    conversation    TEXT    NOT NULL DEFAULT '',
    question        TEXT    NOT NULL,
    -- The question as it stands by itself. Empty: it does.
    condensed       TEXT    NOT NULL DEFAULT '',
    -- answered, partial, refused, failed or cut_off, and why.
    outcome         TEXT    NOT NULL,
    reason          TEXT    NOT NULL DEFAULT '',
    writer          TEXT    NOT NULL DEFAULT '',
    model           TEXT    NOT NULL DEFAULT '',
    -- SHA-256 of the messages that a model was sent. Empty: none was.
    prompt_hash     TEXT    NOT NULL DEFAULT '',
    -- Which index was searched (a store's generation), and what embedded the question.
    generation      TEXT    NOT NULL,
    embedder        TEXT    NOT NULL,
    text            TEXT    NOT NULL,
    -- What it takes to ask again, and what was found and checked, as JSON.
    asked           TEXT    NOT NULL,
    trace           TEXT    NOT NULL,
    created_at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX answers_by_owner ON answers (owner, id);
CREATE INDEX answers_by_conversation ON answers (conversation);
CREATE INDEX answers_by_time ON answers (created_at_ms);

-- The documents that an answer could rely on: it goes when one of them is removed.
CREATE TABLE answer_documents (
    document        TEXT    NOT NULL,
    answer          TEXT    NOT NULL,
    PRIMARY KEY (document, answer)
) STRICT, WITHOUT ROWID;

CREATE INDEX answer_documents_by_answer ON answer_documents (answer);

-- What people say of answers. Outlives them, so it has the question too.
CREATE TABLE feedback (
    answer          TEXT    NOT NULL,
    owner           TEXT    NOT NULL,
    collection      TEXT    NOT NULL,
    question        TEXT    NOT NULL,
    rating          TEXT    NOT NULL CHECK (rating IN ('up', 'down')),
    comment         TEXT    NOT NULL DEFAULT '',
    right_answer    TEXT    NOT NULL DEFAULT '',
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (answer, owner)
) STRICT, WITHOUT ROWID;

CREATE INDEX feedback_by_time ON feedback (at_ms);
