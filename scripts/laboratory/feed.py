"""A steady feed of tasks from one node to the other, and what is known of each of them afterwards."""
import json
import math
import threading
import time

from .machine import Unreachable

# Longest time in which anybody goes on trying to send.
FEED_LIMIT = 300
# A call that hangs on a hard mount ends when the server is back.
SEND_LIMIT = 150


class Feed(threading.Thread):
    """Sends until `count` ids are known, a task every `gap` seconds at best. What a request says is for `request` to tell."""

    def __init__(self, node, count, gap, request):
        super().__init__(daemon=True)
        self.node, self.count, self.gap, self.request = node, count, gap, request
        self.sent, self.failed, self.over = {}, [], threading.Event()

    def run(self):
        number, until = 0, time.monotonic() + FEED_LIMIT
        while len(self.sent) < self.count and not self.over.is_set() and time.monotonic() < until:
            began = time.monotonic()
            words, *options = self.request(number)
            number += 1
            try:
                sent = self.node.send(words, *options, limit=SEND_LIMIT)
            except (Unreachable, RuntimeError):
                # The guest is dead: nobody was told an id, so nothing was promised.
                time.sleep(0.5)
                continue
            sent.words, sent.idempotent = words, "--idempotent" in options
            if sent.task:
                self.sent[sent.task] = sent
            else:
                self.failed.append(sent)
            time.sleep(max(0, self.gap - (time.monotonic() - began)))

    def end(self):
        self.over.set()
        self.join()

    def unknown(self):
        """The tasks whose sender was told "not known yet": they may or may not be on the share."""
        return {task for task, sent in self.sent.items() if sent.ran.status != 0}


def echo(number):
    return (f"echo {number}",)


def outcomes(node, tasks, patience):
    """Returns what `dispatch wait` tells of each task that a node sent: by it every seal was checked."""
    tasks = list(tasks)
    ran = node.run("dispatch", "wait", "--json", "--for", f"{patience}s", *tasks, limit=patience + 60)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    return {line["id"]: line for line in lines}


def latencies(feed):
    """Returns the seconds from publish to start of each task of a feed that was started, sorted."""
    starts = {task: moment for task, _, moment in reversed(feed.node.peer.starts())}
    return sorted(starts[task] - sent.printed for task, sent in feed.sent.items() if task in starts)


def until(what, patience, pause=0.2):
    """Waits until something is true; returns whether it became so."""
    end = time.monotonic() + patience
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def rank(figures, share):
    """Returns the nearest-rank percentile of sorted figures; the worst there could be where there are none."""
    return figures[max(0, math.ceil(len(figures) * share) - 1)] if figures else math.inf
