"""How soon a published task is started, by one clock: that of a guest, set right by the host's."""
import random
import time

from ..feed import Feed
from ..feed import echo
from ..feed import latencies
from ..feed import rank
from ..feed import until

IN_FLOW, GAP_S = 60, 0.6
P50_S, P99_S = 1.0, 1.5
FROM_IDLE, QUIET_S = 4, 14
MORE_S = 0.5


def flow(bench, report, _options):
    """publish to start while tasks keep coming, both ways at once"""
    warm_up(bench)
    feeds = [Feed(node, IN_FLOW, GAP_S, echo) for node in bench.nodes]
    for feed in feeds:
        feed.start()
    for feed in feeds:
        feed.join()
    until(lambda: all(len(latencies(feed)) == IN_FLOW for feed in feeds), 30, 1)
    figures = sorted(figure for feed in feeds for figure in latencies(feed))
    report.equal("flow", "tasks started", len(figures), 2 * IN_FLOW)
    report.speed("flow", "publish to start, p50", rank(figures, 0.50), P50_S)
    report.speed("flow", "publish to start, p99", rank(figures, 0.99), P99_S)
    report.tell("flow", "publish to start, longest", f"{rank(figures, 1):.2f} s")


def warm_up(bench):
    """A few tasks each way: programs are read once, and watchers are at their working pace."""
    feeds = [Feed(node, 4, 0.5, echo) for node in bench.nodes]
    for feed in feeds:
        feed.start()
    for feed in feeds:
        feed.join()
    until(lambda: all(len(latencies(feed)) == 4 for feed in feeds), 30)


def idle(bench, report, _options):
    """publish to start after a while in which nothing was asked"""
    figures = []
    for turn in range(2 * FROM_IDLE):
        node = bench.nodes[turn % 2]
        # Longer than it takes to slow down, and at no fixed phase of the receiver's pace.
        time.sleep(QUIET_S + random.uniform(0, 5))
        feed = Feed(node, 1, 0, echo)
        feed.run()
        until(lambda feed=feed: latencies(feed), 60)
        figures += latencies(feed)
    figures.sort()
    pace = max(node.seconds("poll_idle") for node in bench.nodes)
    report.equal("idle", "tasks started", len(figures), 2 * FROM_IDLE)
    report.tell("idle", "publish to start, p50", f"{rank(figures, 0.5):.2f} s")
    report.speed("idle", f"publish to start, longest (poll {pace:g} s)", rank(figures, 1), pace + MORE_S)
