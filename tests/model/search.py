"""Explores every order of events of a small model, breadth first, and tells what it found.

A model gives its first state, the events that can follow a state, and what is wrong with a state. States are tuples of plain
values; events are told in the order in which they led to what is wrong, and there is no shorter way there.
"""

import sys
from collections import deque

OK, VIOLATION, STOPPED = 0, 1, 3


def explore(title, first, events, wrong, most=8_000_000):
    """Prints `title: OK, N states`, or `title: VIOLATION: ...` with the events that lead there; returns the exit status."""
    came_from = {first: None}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        what = wrong(state)
        if what:
            print(f"{title}: VIOLATION: {what}")
            for event in way_to(state, came_from):
                print("    " + " ".join(map(str, event)))
            return VIOLATION
        for event, after in events(state):
            if after not in came_from:
                came_from[after] = (event, state)
                waiting.append(after)
        if len(came_from) > most:
            print(f"{title}: STOPPED after {len(came_from)} states, nothing wrong in those")
            return STOPPED
    print(f"{title}: OK, {len(came_from)} states")
    return OK


def way_to(state, came_from):
    events = []
    while came_from[state]:
        event, state = came_from[state]
        events.append(event)
    return reversed(events)


def asked(execute, world, late, faults, request):
    """What can become of a request over a network: the world, requests on their way, faults left, and what its maker hears.
    `execute(world, request)` returns the world after it and whether it was done."""
    after, is_done = execute(world, request)
    yield after, late, faults, is_done
    if faults:
        if is_done:
            yield after, late, faults - 1, False
            yield after, late + (request,), faults - 1, True
        yield world, late + (request,), faults - 1, False


def replaced(values, at, value):
    """A tuple with one value replaced."""
    return values[:at] + (value,) + values[at + 1 :]


def numbers(words, defaults):
    """The numbers on a command line, with defaults for those that are missing."""
    given = [int(word) for word in words]
    return given + list(defaults[len(given) :])


def variant(allowed):
    """The first word of the command line, which must be one of these."""
    if len(sys.argv) < 2 or sys.argv[1] not in allowed:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(allowed)} [bounds, see its first lines]")
    return sys.argv[1]
