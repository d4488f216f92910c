"""The bench: a server and two clients, booted and mounted, with a node of dispatch on each client."""
import shutil
import time
from pathlib import Path

from .machine import Machine
from .network import Network
from .node import Node

GUEST = Path(__file__).resolve().parent / "guest"
MIB = 1 << 20
MOUNT_TRIES = 20


class Bench:
    """Everything that a scenario works with. The kernels end with this process, as it is the first of its namespace."""

    def __init__(self, protocol, scratch, options):
        self.protocol, self.scratch = protocol, scratch
        shutil.copytree(GUEST, scratch / "guest")
        (scratch / "bin").mkdir()
        # A copy: who builds again meanwhile must not change what runs.
        shutil.copy2(options.programs / "dispatch", scratch / "bin/dispatch")
        for name in ("send", "watch", "exec", "ack"):
            (scratch / f"bin/dispatch-{name}").symlink_to("dispatch")
        self.network = Network()
        self.server = Machine("S", protocol.role, scratch, self.network, "256M", [("disk", 256 * MIB)])
        self.server.disk_options = protocol.disk_options
        disks = [("disk", 256 * MIB), ("ledger", 16 * MIB)]
        self.clients = {name: Machine(name, "client", scratch, self.network, "192M", disks) for name in "AB"}
        for machine in (self.server, *self.clients.values()):
            machine.realtime = options.realtime
        self.a, self.b = (Node(self, name) for name in "AB")
        self.a.peer, self.b.peer = self.b, self.a
        self.nodes = (self.a, self.b)
        self.began, self.quiet = time.monotonic(), False

    def say(self, text):
        if not self.quiet:
            print(f"  {time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def up(self):
        """Boots the three kernels and mounts the share on both clients."""
        machines = [self.server, *self.clients.values()]
        for machine in machines:
            machine.boot()
        for machine in machines:
            machine.ready()
        for client in self.clients.values():
            self.mount(client)
        self.say(f"three kernels, {self.protocol.name} mounted on both clients")

    def mount(self, client):
        for left in reversed(range(MOUNT_TRIES)):
            try:
                return self.protocol.mount(client)
            except RuntimeError:
                if not left:
                    raise
                time.sleep(0.3)

    def down(self):
        for machine in [*self.clients.values(), self.server]:
            machine.cut()

    def settle(self):
        """Lays out both nodes, pairs them and starts their watchers."""
        for node in self.nodes:
            node.init()
        self.a.pair()
        for node in self.nodes:
            # A host that was set up a second before its power went is not what this is about.
            node.machine.shell("sync")
            node.watch()
        self.say("two nodes, paired, watching")
