"""The server is gone, and a hard mount blocks whoever touches it. What must work then works without the share."""
import time

from ..feed import outcomes
from ..feed import until

GRACE_S, TIMEOUT_S, LASTS_S = 2, 8, 12
ANSWER_S, MORE_S = 15, 2


def loss(bench, report, _options):
    """the server is gone: what runs stays bounded, stops are obeyed, results wait and arrive"""
    a, b = bench.a, bench.b
    ends = a.send(f"sleep {LASTS_S}.125")
    stays = a.send("stay 58.75", "--timeout", f"{TIMEOUT_S}s")
    tasks = {ends.task, stays.task}
    running = until(lambda: tasks <= {start[0] for start in b.starts()}, 30)
    report.equal("loss", "two agents run", running, True)
    began = {task: moment for task, _, moment in b.starts()}
    bench.protocol.stop(bench.server)
    while_gone(report, b, began.get(stays.task, time.time()))
    b.run("dispatch", "resume", "--local", limit=ANSWER_S)
    b.watch()
    bench.protocol.start(bench.server)
    back(report, a, ends, stays)


def while_gone(report, b, began):
    """No server. Each check has its own bound, so that one that hangs is a row and not the end."""
    gone = until(lambda: not b.machine.find("sleep", "58.75"), TIMEOUT_S + 30, 0.05)
    took = time.time() - began
    report.at_most("loss", "an attempt past its timeout is dead", took if gone else 999.0,
                   TIMEOUT_S + GRACE_S + MORE_S)
    ran = b.run("dispatch", "status", limit=ANSWER_S)
    report.row("loss", "dispatch status answers", f"status {ran.status} after {ran.ended - ran.began:.1f} s",
               f"74 or 75 within {ANSWER_S} s", ran.status in (74, 75))
    until(lambda: not b.machine.find("sleep", f"{LASTS_S}.125"), LASTS_S + 10)
    ran = b.run("dispatch", "halt", "--local", limit=ANSWER_S)
    report.row("loss", "dispatch halt --local works", f"status {ran.status} after {ran.ended - ran.began:.1f} s",
               f"0 within {ANSWER_S} s", ran.status == 0)
    asked = time.monotonic()
    b.end_watch()
    ended = until(lambda: not b.machine.find("dispatch-watch"), 30, 0.1)
    report.at_most("loss", "the watcher obeys SIGTERM", time.monotonic() - asked if ended else 999.0, 10)
    if not ended:
        b.end_watch(9)


def back(report, a, ends, stays):
    """The server again: what waited arrives, and work goes on."""
    began = time.monotonic()
    told = outcomes(a, [ends.task, stays.task], 90)
    status = {task: line.get("status") for task, line in told.items()}
    report.equal("loss", "the answer that waited arrives", status.get(ends.task), "ok")
    report.equal("loss", "the one that took too long says so", status.get(stays.task), "timeout")
    report.tell("loss", "after the server is back", f"{time.monotonic() - began:.1f} s")
    after = a.send("echo after")
    told = outcomes(a, [after.task], 60)
    report.equal("loss", "work goes on", told.get(after.task, {}).get("final_text"), "echo after")
