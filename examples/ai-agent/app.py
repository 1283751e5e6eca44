"""An agent without dependencies: a page to talk to it, and tools that the model may call."""

import datetime
import hmac
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

BASE = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
KEY = os.environ.get("OPENAI_API_KEY", "")
MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
INSTRUCTIONS = os.environ.get("AGENT_INSTRUCTIONS") or "You are a helpful assistant."
CODE = os.environ.get("ACCESS_CODE", "")
STATIC = Path(__file__).with_name("static")
KINDS = {"": "text/html", "agent.js": "text/javascript", "agent.css": "text/css"}
LARGEST = 200_000
STEPS = 5
"""How often the model may call tools before it has to answer."""


def time_in(zone="UTC"):
    try:
        return datetime.datetime.now(ZoneInfo(zone)).isoformat(timespec="seconds")
    except (KeyError, ValueError, OSError):
        return f"{zone} is no time zone."


TOOLS = {"time_in": time_in}
DESCRIBED = [
    {
        "type": "function",
        "function": {
            "name": "time_in",
            "description": "The time now in a time zone.",
            "parameters": {
                "type": "object",
                "properties": {"zone": {"type": "string", "description": "Such as Europe/Berlin."}},
            },
        },
    }
]


def ask(messages):
    body = {"model": MODEL, "messages": messages, "tools": DESCRIBED}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    url = f"{BASE}/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        return json.load(answer)["choices"][0]["message"]


def used(call):
    """What a tool gives; a mistake of the model's is told to the model."""
    try:
        result = TOOLS[call["function"]["name"]](**json.loads(call["function"]["arguments"] or "{}"))
    except (KeyError, TypeError, ValueError) as error:
        result = f"{type(error).__name__}: {error}"
    return {"role": "tool", "tool_call_id": call["id"], "content": str(result)}


def converse(said):
    messages = [{"role": "system", "content": INSTRUCTIONS}, *said]
    for _ in range(STEPS):
        message = ask(messages)
        messages.append(message)
        if not message.get("tool_calls"):
            return message.get("content") or ""
        messages += [used(call) for call in message["tool_calls"]]
    return "I could not find an answer in a few steps."


def checked(said):
    """Only what people and the model said: instructions are ours."""
    kept = [one for one in said if one["role"] in ("user", "assistant") and isinstance(one["content"], str)]
    return [{"role": one["role"], "content": one["content"]} for one in kept][-40:]


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.partition("?")[0].lstrip("/")
        if name == "health":
            self.answer(200, b"ok", "text/plain")
        elif name in KINDS:
            self.answer(200, (STATIC / (name or "index.html")).read_bytes(), KINDS[name])
        else:
            self.answer(404, b"There is no such page.", "text/plain")

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        if self.path != "/chat" or not 0 < size <= LARGEST:
            return self.tell(404 if self.path != "/chat" else 413, error="This is not possible.")
        given = self.headers.get("X-Access-Code", "")
        if not CODE or not hmac.compare_digest(given.encode(), CODE.encode()):
            return self.tell(403, error="The access code is another one.")
        try:
            said = checked(json.loads(self.rfile.read(size))["messages"])
        except (KeyError, TypeError, ValueError):
            return self.tell(400, error="This is no conversation.")
        try:
            self.tell(200, answer=converse(said))
        except urllib.error.HTTPError as error:
            print(f"the endpoint answers {error.code}", flush=True)
            self.tell(502, error=f"The model's endpoint answers {error.code}.")
        except (OSError, KeyError, IndexError, ValueError) as error:
            print(f"the endpoint fails: {type(error).__name__}", flush=True)
            self.tell(502, error="The model's endpoint does not answer as expected.")

    def tell(self, status, **values):
        self.answer(status, json.dumps(values).encode(), "application/json")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000"))
    ThreadingHTTPServer(address, Page).serve_forever()
