"""What two idle nodes ask of the server."""
import time

COUNTED_S = 120
A_MINUTE = 60


def calls(machine):
    """Returns the requests that a client has sent so far (nfs: /proc/net/rpc/nfs)."""
    lines = machine.read("/proc/net/rpc/nfs").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rpc "))


def operations(machine):
    """Returns the operations of the mount so far, by name (nfs: /proc/self/mountstats)."""
    found, ours = {}, False
    for line in machine.read("/proc/self/mountstats").splitlines():
        if line.startswith("device "):
            ours = " mounted on /mnt/share " in line
        name, colon, rest = line.strip().partition(": ")
        if ours and colon and name.isupper():
            found[name] = int(rest.split()[0])
    return found


def cost(bench, report, options):
    """requests a minute of an idle node, a lane each way (NFS)"""
    if not bench.protocol.name.startswith("nfs"):
        return
    time.sleep(options.idle * 60)
    machines = [node.machine for node in bench.nodes]
    before = [(calls(machine), operations(machine)) for machine in machines]
    time.sleep(COUNTED_S)
    for node, (all_before, ops_before) in zip(bench.nodes, before):
        a_minute = (calls(node.machine) - all_before) * 60 / COUNTED_S
        ops = operations(node.machine)
        split = {name: (count - ops_before.get(name, 0)) * 60 / COUNTED_S for name, count in ops.items()}
        told = ", ".join(f"{name} {count:g}" for name, count in sorted(split.items(), key=lambda x: -x[1]) if count)
        report.at_most("cost", f"{node.name}: requests a minute after {options.idle} idle minutes", a_minute, A_MINUTE, "")
        report.tell("cost", f"{node.name}: of these", told)
