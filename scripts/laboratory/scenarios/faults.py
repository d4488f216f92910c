"""Tasks both ways while everything that can break is broken, one thing after another; then every task is accounted for."""
import collections
import time

from ..feed import Feed
from ..feed import outcomes
from ..feed import until

GAP_S = 0.35
PATIENCE_S = 150
KILL = 9


def request(number):
    """A mix: most are brief, some take a while; a quarter may run twice without harm, the others may not."""
    words = f"sleep {2 + number / 1000}" if number % 10 == 5 else f"echo {number}"
    return (words, "--idempotent", "--max-attempts", "3") if number % 4 == 1 else (words,)


class Story:
    """The faults, in their order, each with what it needs to be over."""

    def __init__(self, bench):
        self.bench, self.protocol = bench, bench.protocol
        # How many attempts the faults may have cost: each ends at most what fills the slots of one node.
        self.attempts_ended = 0

    def all(self):
        return [self.watcher_killed, self.executor_killed, self.replies_lost, self.share_full, self.service_stopped,
                self.client_cut, self.server_cut]

    def watcher_killed(self):
        """kill -9 of B's watcher, and another one"""
        self.bench.b.end_watch(KILL)
        time.sleep(1)
        self.bench.b.watch()

    def executor_killed(self):
        """kill -9 of the executors on A, while they run"""
        until(lambda: self.bench.a.machine.find("dispatch-exec"), 15, 0.02)
        self.attempts_ended += len(self.bench.a.machine.kill("dispatch-exec", signal=KILL))

    def replies_lost(self):
        """the server's answers to A are dropped for 5 s, then its connection is reset"""
        client = self.bench.clients["A"]
        self.bench.network.silence(self.bench.server.address, client.address, self.protocol.port)
        time.sleep(5)
        self.bench.network.reset("A", client.address, self.protocol.port, 15)
        self.bench.network.speak()
        time.sleep(2)

    def share_full(self):
        """not a byte is free on the server for 6 s"""
        server = self.bench.server
        server.shell("dd if=/dev/zero of=/disk/fill bs=1M 2>/dev/null || true; "
                     "dd if=/dev/zero bs=4k 2>/dev/null >>/disk/fill || true", limit=120)
        time.sleep(6)
        server.shell("rm /disk/fill")
        time.sleep(2)

    def service_stopped(self):
        """the server's service is stopped for 12 s"""
        self.protocol.stop(self.bench.server)
        time.sleep(12)
        self.protocol.start(self.bench.server)
        time.sleep(5)

    def client_cut(self):
        """B's power is cut; it boots, mounts, and its watcher starts again"""
        node = self.bench.b
        self.attempts_ended += 2
        node.machine.cut()
        node.machine.boot()
        node.machine.ready()
        self.bench.mount(node.machine)
        node.watch()
        time.sleep(3)

    def server_cut(self):
        """the server's power is cut; it boots again"""
        server = self.bench.server
        server.cut()
        time.sleep(2)
        server.boot()
        server.ready()
        time.sleep(3)


def faults(bench, report, options):
    """tasks each way while things break: none lost, none started twice, every outcome signed and right"""
    before = {node: len(node.starts()) for node in bench.nodes}
    feeds = [Feed(node, options.tasks, GAP_S, request) for node in bench.nodes]
    for feed in feeds:
        feed.start()
    story = Story(bench)
    for fault in story.all():
        time.sleep(2)
        bench.say(f"fault: {fault.__doc__}")
        fault()
    bench.say("no more faults")
    for feed in feeds:
        feed.join()
    bench.say("all is sent")
    for feed in feeds:
        account(report, feed, before[feed.node.peer], story)


def account(report, feed, before, story):
    """Compares what was sent, what the agents wrote down, and what the sender is told."""
    node = feed.node
    lane = f"{node.name} to {node.peer.name}"
    told = outcomes(node, feed.sent, PATIENCE_S)
    answered = {task: line for task, line in told.items() if line["state"] == "answered"}
    lost = set(feed.sent) - set(answered) - absent(feed, told)
    starts = collections.Counter(task for task, _, _ in node.peer.starts()[before:])
    attempts = collections.Counter((task, attempt) for task, attempt, _ in node.peer.starts()[before:])
    once = [task for task, count in starts.items() if count > 1 and not may_repeat(feed, task)]
    twice = set(once) | {task for (task, _), count in attempts.items() if count > 1}
    wrong = [f"{task} {line['status']} {line['final_text']!r} {line['detail']}" for task, line in answered.items()
             if not is_right(line, feed.sent[task], starts[task])]
    unclear = [task for task, line in answered.items() if line["status"] == "indeterminate"]
    report.at_least("faults", f"{lane}: tasks sent", len(feed.sent), feed.count)
    report.equal("faults", f"{lane}: lost", len(lost), 0)
    report.equal("faults", f"{lane}: started twice", len(twice), 0)
    report.equal("faults", f"{lane}: outcomes that are not right", len(wrong), 0)
    report.at_most("faults", f"{lane}: end not known, as told", len(unclear), story.attempts_ended, "")
    told_unknown, refused = len(feed.unknown()), len(feed.failed)
    report.tell("faults", f"{lane}: sends told 'not known yet', and refused", f"{told_unknown}, {refused}")
    for task in [*sorted(lost), *sorted(twice), *wrong]:
        print(f"       {task} {told.get(task, {})}")


def absent(feed, told):
    """Tasks that their sender was never promised: 'not known yet', and then nowhere."""
    return {task for task in feed.unknown() if told.get(task, {}).get("state") in (None, "absent", "unknown")}


def may_repeat(feed, task):
    return task in feed.sent and feed.sent[task].idempotent


def is_right(line, sent, starts):
    """A success says what was asked for and was started; an end that is not known is of something that ran once."""
    if line["status"] == "ok":
        return line["final_text"] == sent.words and starts >= 1
    return line["status"] == "indeterminate" and not sent.idempotent and starts <= 1
