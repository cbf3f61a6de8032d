"""Asks a running cairn through the official OpenAI client, which is used as it comes.

usage: openai_client.py BASE_URL COLLECTION MODE [QUESTION]

MODE is `models`, `ask`, `stream`, `unknown`, `all` of these, or `refused`: then each call must fail. COLLECTION must hold
documents that answer QUESTION, so that the answer has a citation. OPENAI_API_KEY is the key, if one is needed. Prints
one JSON object with a key a mode; on a mismatch prints a sentence to stderr and exits 1.
"""

import json
import os
import sys

import openai
from openai.types import CompletionUsage
from openai.types.chat.chat_completion_message import Annotation

QUESTION = "How do I add my own documents?"
COLLECTION_UNKNOWN = "no-such-collection"
TIMEOUT_S = 120


class Mismatch(Exception):
    """What the service did otherwise than the client's types and the OpenAI protocol say."""


def require(holds: bool, sentence: str) -> None:
    if not holds:
        raise Mismatch(sentence)


def models(client: openai.OpenAI, collection: str, _question: str) -> dict:
    """Collections are listed as models."""
    ids = [model.id for model in client.models.list()]
    require(collection in ids, f"the models are {ids}, without {collection!r}")
    return {"ids": ids}


def ask(client: openai.OpenAI, collection: str, question: str) -> dict:
    """One completion, with its citations as typed annotations on the message."""
    completion = client.chat.completions.create(model=collection, messages=[{"role": "user", "content": question}])
    require(completion.object == "chat.completion", f"object is {completion.object!r}")
    require(completion.model == collection, f"model is {completion.model!r}, not {collection!r}")
    require(len(completion.choices) == 1, f"{len(completion.choices)} choices instead of one")
    choice = completion.choices[0]
    require(choice.message.role == "assistant", f"role is {choice.message.role!r}")
    return {
        "text": choice.message.content,
        "finish_reason": finish_reason([choice.finish_reason]),
        "annotations": citations(choice.message.annotations, choice.message.content),
        "usage": usage(completion.usage),
    }


def stream(client: openai.OpenAI, collection: str, question: str) -> dict:
    """The same in pieces: one end, and the usage in a last piece of its own."""
    pieces = list(
        client.chat.completions.create(
            model=collection,
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    require(len({piece.id for piece in pieces}) == 1, "the pieces have different ids")
    require(all(piece.object == "chat.completion.chunk" for piece in pieces), "a piece is no chat.completion.chunk")
    require(all(piece.model == collection for piece in pieces), f"a piece's model is not {collection!r}")
    require(not pieces[-1].choices, "the last piece has choices, it should bring the usage alone")
    require(all(piece.usage is None for piece in pieces[:-1]), "a piece before the last has usage")
    choices = [choice for piece in pieces for choice in piece.choices]
    require(len(choices) == len(pieces) - 1, "a piece before the last has not exactly one choice")
    text = "".join(choice.delta.content or "" for choice in choices)
    # The client types annotations on messages only; on a delta they are an extra field, in plain JSON.
    annotations = [
        Annotation.model_validate(annotation, strict=True)
        for choice in choices
        for annotation in (getattr(choice.delta, "annotations", None) or [])
    ]
    return {
        "text": text,
        "pieces": len(pieces),
        "finish_reason": finish_reason([choice.finish_reason for choice in choices]),
        "annotations": citations(annotations, text),
        "usage": usage(pieces[-1].usage),
    }


def unknown(client: openai.OpenAI, _collection: str, question: str) -> dict:
    """A collection that is not there is the client's NotFoundError, streaming or not."""
    found = {}
    for streaming in (False, True):
        try:
            client.chat.completions.create(
                model=COLLECTION_UNKNOWN, messages=[{"role": "user", "content": question}], stream=streaming
            )
        except openai.NotFoundError as error:
            require(bool(error.code), "the error has no code")
            found = {"status": error.status_code, "code": error.code, "message": error.message}
        else:
            raise Mismatch(f"model {COLLECTION_UNKNOWN!r} was answered (stream={streaming})")
    return found


def refused(client: openai.OpenAI, collection: str, question: str) -> dict:
    """What each call is refused with, by the name of the client's own exception."""
    messages = [{"role": "user", "content": question}]
    create = client.chat.completions.create
    calls = {
        "models": lambda: list(client.models.list()),
        "ask": lambda: create(model=collection, messages=messages),
        "stream": lambda: list(create(model=collection, messages=messages, stream=True)),
    }
    found = {}
    for name, call in calls.items():
        try:
            found[name] = {"given": repr(call())}
        except openai.APIStatusError as error:
            found[name] = {"type": type(error).__name__, "status": error.status_code, "code": error.code}
    return found


def finish_reason(reasons: list) -> str:
    given = [reason for reason in reasons if reason is not None]
    require(len(given) == 1, f"finish_reason was given {len(given)} times: {given}")
    require(reasons[-1] is not None, "finish_reason came before the last choice")
    require(given[0] in ("stop", "length"), f"finish_reason is {given[0]!r}")
    return given[0]


def citations(annotations: list | None, text: str | None) -> list:
    """Annotations as plain data, each with the piece of the answer that it covers. Indices count characters."""
    require(bool(text), "the answer is empty")
    require(bool(annotations), f"no annotations on the answer {text!r}")
    found = []
    for annotation in annotations:
        require(isinstance(annotation, Annotation), f"{annotation!r} is no Annotation")
        require(annotation.type == "url_citation", f"annotation type is {annotation.type!r}")
        cited = annotation.url_citation
        start, end = cited.start_index, cited.end_index
        require(type(start) is int and type(end) is int, f"indices are {start!r} and {end!r}")
        require(0 <= start < end <= len(text), f"indices {start}..{end} are no part of {len(text)} characters")
        require(isinstance(cited.title, str) and cited.title != "", f"title is {cited.title!r}")
        require(isinstance(cited.url, str) and cited.url != "", f"url is {cited.url!r}")
        found.append({**cited.to_dict(), "covers": text[start:end]})
    return found


def usage(counts: CompletionUsage | None) -> dict:
    require(counts is not None, "usage is missing")
    numbers = (counts.prompt_tokens, counts.completion_tokens, counts.total_tokens)
    require(all(type(n) is int and n >= 0 for n in numbers), f"usage is {numbers}")
    require(counts.total_tokens == counts.prompt_tokens + counts.completion_tokens, f"usage does not add up: {numbers}")
    return counts.to_dict()


ALL = {"models": models, "ask": ask, "stream": stream, "unknown": unknown}
MODES = {**ALL, "refused": refused}


def main() -> None:
    if len(sys.argv) not in (4, 5) or sys.argv[3] not in (*MODES, "all"):
        sys.exit("usage: openai_client.py BASE_URL COLLECTION models|ask|stream|unknown|all|refused [QUESTION]")
    base_url, collection, mode = sys.argv[1:4]
    question = sys.argv[4] if len(sys.argv) == 5 else QUESTION
    # The service is on this machine: a proxy that the machine uses is not asked.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    key = os.environ.get("OPENAI_API_KEY", "not-needed")
    client = openai.OpenAI(base_url=base_url, api_key=key, timeout=TIMEOUT_S, max_retries=0)
    try:
        modes = ALL if mode == "all" else [mode]
        summary = {name: MODES[name](client, collection, question) for name in modes}
    except (Mismatch, openai.OpenAIError, ValueError) as error:
        sys.exit(f"openai client: {type(error).__name__}: {error}")
    print(json.dumps(summary, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
