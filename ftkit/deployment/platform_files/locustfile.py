"""Load on the served strategy, by locust (pip install locust).

    FTKIT_TOKEN=... locust -f locustfile.py --headless --host http://127.0.0.1:8000 --csv load

Clients grow in steps of 20 s (STEPS="1 2 4 8 16 32 64", SECONDS=20); each asks its next question when it has the last answer, so that
the steps compare with 09's load test. ASK=model sends whole messages, for a server of the model alone (vLLM, TGI).
"""

import itertools
import json
import os
from pathlib import Path

from locust import HttpUser, LoadTestShape, constant, task

HERE = Path(__file__).resolve().parent
MODEL = (
    os.environ.get("MODEL")
    or json.loads((HERE.parent / "strategy.json").read_text(encoding="utf-8"))["name"]
)
ASKED = [
    json.loads(line)
    for line in (HERE / "load_questions.jsonl").read_text(encoding="utf-8").splitlines()
]
STEPS = [int(number) for number in os.environ.get("STEPS", "1 2 4 8 16 32 64").split()]
SECONDS = float(os.environ.get("SECONDS", "20"))
BODIES = [asked if os.environ.get("ASK") == "model" else asked[-1:] for asked in ASKED]
TURN = itertools.count()


class Client(HttpUser):
    """Somebody who asks one question after the other."""

    wait_time = constant(0)

    @task
    def ask(self) -> None:
        """Ask the next question; anything but an answer counts as failed, by its status."""
        body = {"model": MODEL, "messages": BODIES[next(TURN) % len(BODIES)]}
        token = os.environ.get("FTKIT_TOKEN", "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        name = f"{self.environment.runner.user_count if self.environment.runner else 0} clients"
        with self.client.post(
            "/v1/chat/completions", json=body, headers=headers, name=name, catch_response=True
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"HTTP {answer.status_code}")
            elif not answer.json().get("choices"):
                answer.failure("no choices")


class Steps(LoadTestShape):
    """So many clients, then more."""

    def tick(self) -> tuple[int, float] | None:
        """Return clients, and how fast they come; None ends the test."""
        step = int(self.get_run_time() // SECONDS)
        return (STEPS[step], float(max(STEPS))) if step < len(STEPS) else None
