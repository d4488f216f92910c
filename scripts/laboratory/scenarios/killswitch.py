"""A file called KILLSWITCH, made on A by hand, and what B does about it."""
import time

from ..feed import Feed
from ..feed import echo
from ..feed import until

KILL_S = 3.0
FEED_S, WATCHED_S = 10, 6


def stops_starts(bench, report):
    """Tasks keep coming; after the file appears, none starts."""
    poll = max(node.seconds("poll") for node in bench.nodes)
    feeds = [Feed(node, 10_000, 0.4, echo) for node in bench.nodes]
    for feed in feeds:
        feed.start()
    time.sleep(FEED_S)
    made = bench.a.machine.write("/mnt/share/KILLSWITCH", "")
    time.sleep(WATCHED_S)
    for feed in feeds:
        feed.end()
    for node in bench.nodes:
        moments = [moment for _, _, moment in node.starts()]
        before = sum(made - FEED_S < moment <= made for moment in moments)
        report.row("killswitch", f"{node.name}: it was starting tasks", before, "> 0", before > 0)
        late = max([moment - made for moment in moments if moment > made], default=0.0)
        report.at_most("killswitch", f"{node.name}: last start after KILLSWITCH (poll {poll:g} s)", late, poll + 1)
    bench.a.machine.shell("rm /mnt/share/KILLSWITCH")
    waiting = {node.peer: set(feed.sent) for node, feed in zip(bench.nodes, feeds)}
    done = until(lambda: all(tasks <= {start[0] for start in node.starts()} for node, tasks in waiting.items()), 60, 1)
    report.equal("killswitch", "all that waited is started once it is gone", done, True)


def ends_what_runs(bench, report):
    """`kill` as its first word: one agent that obeys SIGTERM, and one that does not."""
    sleepers = [bench.a.send("sleep 59.25").task, bench.a.send("stay 59.5").task]
    running = until(lambda: set(sleepers) <= {start[0] for start in bench.b.starts()}, 30)
    report.equal("killswitch", "two agents run", running, True)
    bench.b.machine.shell("sleep 0.5")
    made = bench.a.machine.write("/mnt/share/KILLSWITCH", "kill\n")
    poll, grace = bench.b.seconds("poll"), bench.b.seconds("profile.default.grace")
    patience = KILL_S + grace + 20
    for seconds, what, bound in (("59.25", "one that obeys SIGTERM is dead", KILL_S + poll),
                                 ("59.5", f"one that does not is dead (grace {grace:g} s)", KILL_S + grace)):
        until(lambda seconds=seconds: not bench.b.machine.find("sleep", seconds), patience, 0.05)
        report.at_most("killswitch", what, time.time() - made, bound)
    bench.a.machine.shell("rm /mnt/share/KILLSWITCH")


def killswitch(bench, report, _options):
    """no start after a KILLSWITCH made by hand; with `kill`, what runs is ended"""
    stops_starts(bench, report)
    ends_what_runs(bench, report)
