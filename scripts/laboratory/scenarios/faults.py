"""Tasks both ways while everything that can break is broken, one thing after another; then every task is accounted for."""
import time

from ..account import account
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
        told = outcomes(feed.node, feed.sent, PATIENCE_S)
        account(report, feed, told, feed.node.peer.starts()[before[feed.node.peer]:], story.attempts_ended)
