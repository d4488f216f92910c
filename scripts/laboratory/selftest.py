"""Shows that the checks can fail: each is given what it must not let pass, and then what it must."""
import contextlib
import io
import types

from .account import account
from .feed import rank
from .network import checksum
from .network import forged_reset
from .report import Report

ANSWER = {"id": "t", "state": "answered", "status": "ok", "final_text": "echo 1", "detail": None}


def missed(told, starts=(("t", 1),), idempotent=False, status=0):
    """Sends one task `t` that its receiver wrote down so, and returns the figures that the account does not let pass."""
    report = Report("selftest")
    sent = types.SimpleNamespace(words="echo 1", idempotent=idempotent, ran=types.SimpleNamespace(status=status))
    node = types.SimpleNamespace(name="a", peer=types.SimpleNamespace(name="b"))
    unknown = {"t"} if status else set()
    feed = types.SimpleNamespace(node=node, sent={"t": sent}, count=1, failed=[], unknown=lambda: unknown)
    with quiet():
        account(report, feed, {line["id"]: line for line in told}, [(*start, 0.0) for start in starts], 0)
    return [row["what"].partition(": ")[2] for row in report.rows if not row["holds"]]


def quiet():
    return contextlib.redirect_stdout(io.StringIO())


def expect(what, seen, wanted):
    if seen != wanted:
        raise AssertionError(f"selftest: {what}: {seen}, not {wanted}")


def accounts():
    twice, wrong, unclear = "started twice", "outcomes that are not right", "end not known, as told"
    expect("all is well", missed([ANSWER]), [])
    expect("no outcome", missed([]), ["lost"])
    expect("still open", missed([{"id": "t", "state": "open"}]), ["lost"])
    expect("never promised, and nowhere", missed([], starts=[], status=75), [])
    expect("two starts", missed([ANSWER], starts=[("t", 1), ("t", 2)]), [twice])
    expect("two attempts of what may run twice", missed([ANSWER], starts=[("t", 1), ("t", 2)], idempotent=True), [])
    expect("one attempt twice", missed([ANSWER], starts=[("t", 1), ("t", 1)], idempotent=True), [twice])
    expect("a stranger twice", missed([ANSWER], starts=[("t", 1), ("u", 1), ("u", 2)]), [twice])
    expect("another's answer", missed([ANSWER | {"final_text": "echo 2"}]), [wrong])
    expect("an answer of nothing", missed([ANSWER], starts=[]), [wrong])
    expect("a failure", missed([ANSWER | {"status": "error"}]), [wrong])
    expect("not known, and nothing was killed", missed([ANSWER | {"status": "indeterminate"}]), [unclear])


def figures():
    expect("p50", rank([1, 2, 3, 4], 0.5), 2)
    expect("p99 of 100", rank(list(range(1, 101)), 0.99), 99)
    expect("of nothing", rank([], 0.5), float("inf"))
    report = Report("selftest")
    expect("no figure at all", report.holds(), False)
    with quiet():
        report.at_most("s", "w", 1.0, 1)
        expect("at its bound", report.holds(), True)
        report.at_most("s", "w", 1.01, 1)
    expect("above it", report.holds(), False)


def resets():
    there, back = bytes([10, 99, 0, 11]), bytes([10, 99, 0, 1])
    packet = b"\x45\0\0\x28\0\0\0\0\x40\x06\0\0" + there + back
    segment = b"\x03\xe8\x08\x01" + b"\0\0\0\1" + b"\0\0\0\7" + b"\x50\x10\0\0\0\0\0\0"
    frame = b"S" * 6 + b"C" * 6 + b"\x08\0" + packet + segment
    answer = forged_reset(frame, "10.99.0.11", 2049)
    expect("a reset goes back", answer[:12], b"C" * 6 + b"S" * 6)
    expect("with the number that is expected", answer[38:42], b"\0\0\0\7")
    expect("and its sum", checksum(answer[14:34]), b"\0\0")
    expect("only to the client", forged_reset(frame, "10.99.0.12", 2049), None)
    expect("only from the port", forged_reset(frame, "10.99.0.11", 445), None)


def run():
    """Runs all of it; raises where a check lets pass what it must not."""
    accounts()
    figures()
    resets()
