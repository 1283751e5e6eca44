"""A Telegram bot without dependencies: it asks for messages (long polling) and answers them."""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

API = os.environ.get("TELEGRAM_API", "https://api.telegram.org")
TOKEN = os.environ.get("TELEGRAM_TOKEN", "")
GREETING = os.environ.get("GREETING") or "Ahoy!"
WAIT = 50
LONGEST_PAUSE = 60


def call(method, **values):
    """What Telegram answers. The address holds the token, so it is in no message of ours."""
    request = urllib.request.Request(  # noqa: S310
        f"{API}/bot{TOKEN}/{method}",
        json.dumps(values).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT + 10) as answer:  # noqa: S310
        return json.load(answer)["result"]


def answer_to(text):
    if text.startswith("/start"):
        return GREETING
    if text.startswith("/time"):
        return time.strftime("%H:%M:%S UTC", time.gmtime())
    return f"You said: {text}"


def serve():
    seen = 0
    pause = 1
    while True:
        try:
            for update in call("getUpdates", offset=seen + 1, timeout=WAIT):
                seen = update["update_id"]
                message = update.get("message") or {}
                if "text" in message:
                    text = answer_to(message["text"])
                    call("sendMessage", chat_id=message["chat"]["id"], text=text)
            pause = 1
        except urllib.error.HTTPError as error:
            if error.code in (401, 404):
                print("Telegram does not know this token: see TELEGRAM_TOKEN.", flush=True)
            else:
                print(f"Telegram answers {error.code}", flush=True)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        except OSError as error:
            print(f"Telegram is not reached: {type(error).__name__}", flush=True)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not TOKEN:
        sys.exit("TELEGRAM_TOKEN is missing: @BotFather gives one.")
    print("The bot is at work.", flush=True)
    serve()
