#!/usr/bin/env python3
"""Holds what was received to what its targets take: signatures by the reference library of Standard Webhooks, bodies by
schemas written after the manuals of Slack and of Adaptive Cards, pings by their paths. Says each thing in a line."""
import collections
import json
import sys

from jsonschema import Draft202012Validator
from standardwebhooks import Webhook, WebhookVerificationError

SECRET, FILE = sys.argv[1:]
TEXT = {"type": "string", "minLength": 1}
PLAIN = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "plain_text"}, "text": {**TEXT, "maxLength": 3000}, "emoji": {"const": False}},
}
SLACK = {
    "type": "object",
    "required": ["text", "blocks"],
    "properties": {
        "text": TEXT,
        "blocks": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["type", "text"],
                "properties": {"type": {"enum": ["section", "header"]}, "text": PLAIN},
            },
        },
    },
}
RUN = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "TextRun"}, "text": TEXT},
}
CARD = {
    "type": "object",
    "required": ["type", "version", "body"],
    "properties": {
        "type": {"const": "AdaptiveCard"},
        "version": {"const": "1.4"},
        "body": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type", "inlines"],
                "properties": {"type": {"const": "RichTextBlock"}, "inlines": {"type": "array", "items": RUN}},
            },
        },
    },
}
TEAMS = {
    "type": "object",
    "required": ["type", "attachments"],
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["contentType", "content"],
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "content": CARD,
                },
            },
        },
    },
}
EVENT = {
    "type": "object",
    "required": ["type", "timestamp", "data"],
    "properties": {
        "type": {"enum": ["run.started", "run.finished", "service.warning"]},
        "data": {"type": "object", "required": ["version", "sample", "classes"], "properties": {"version": {"const": 1}}},
    },
}

failed = False


def say(is_well, words):
    global failed
    failed |= not is_well
    print(("ok      " if is_well else "FAILED  ") + words)


def fits(schema, body, words):
    problems = [problem.message for problem in Draft202012Validator(schema).iter_errors(json.loads(body))]
    say(not problems, words + "".join(f"; {problem}" for problem in problems[:3]))


with open(FILE, encoding="utf-8") as file:
    received = [json.loads(line) for line in file]
by_kind = collections.defaultdict(list)
for one in received:
    by_kind[one["path"].split("/")[1]].append(one)
for kind, schema in [("slack", SLACK), ("teams", TEAMS), ("webhook", EVENT)]:
    say(bool(by_kind[kind]), f"{kind}: {len(by_kind[kind])} messages")
    for one in by_kind[kind]:
        fits(schema, one["body"], f"{kind}: the shape of a message")
        say("CANARY" not in one["body"], f"{kind}: its own address is not in it")
for one in by_kind["webhook"]:
    headers = {name.lower(): value for name, value in one["headers"].items()}
    try:
        Webhook(SECRET).verify(one["body"], headers)
        say(True, "webhook: the signature is good, by the reference library")
    except WebhookVerificationError as problem:
        say(False, f"webhook: {problem}")
    try:
        Webhook(SECRET).verify(one["body"].replace("run", "ran"), headers)
        say(False, "webhook: an altered body passes")
    except WebhookVerificationError:
        say(True, "webhook: an altered body does not pass")
types = {json.loads(one["body"])["type"] for one in by_kind["webhook"]}
say({"run.started", "run.finished"} <= types, f"webhook: told of {', '.join(sorted(types))}")
guard = [one for one in by_kind["slack"] if "batchsweep approve " in one["body"]]
say(bool(guard), "slack: a stopped plan comes with the command that approves it")
say(all("<!channel>" not in one["body"] for one in by_kind["slack"]), "slack: a name calls nobody")
pings = [one["path"].split("?")[0].removeprefix("/healthchecks/check") for one in by_kind["healthchecks"]]
say("/start" in pings and "" in pings and "/fail" in pings, f"healthchecks: pings {pings}")
say(all("rid=" in one["path"] for one in by_kind["healthchecks"]), "healthchecks: each ping has the id of its run")
sys.exit(failed)
