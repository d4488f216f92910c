"""A task that must not run twice: marker, claim and takeover in a pool (docs/QUEUE.md, Start and Reap).

    start.py good|check-first|read-first|take-forgets [network faults 1] [crashes 1] [attempts 2]

Two owners may claim the task, make the marker of their start, look whether the claim is still theirs, and start. A reaper takes a
claim at any moment, since no term is assumed, and then decides: a marker, then it is over; none, then back to `inbox/` as the
next attempt. Owners and reaper die at any moment; a claim that was taken and left is taken again, under a fresh name. A reply is
lost, a request is given up and executed later, or is executed twice. Always: it is started at most once in all.

good          the marker, then the look at the claim; the take, then the look at the marker, also when it is taken again
check-first   an owner looks at its claim and makes the marker then: must fail
read-first    the reaper looks at the marker and takes the claim then: must fail
take-forgets  the reaper takes what another took and left, and does not look at the marker: must fail
"""

import sys

import search

GOOD, CHECK, READ, FORGETS = "good", "check-first", "read-first", "take-forgets"
HOW = search.variant([GOOD, CHECK, READ, FORGETS])
FAULTS, CRASHES, ATTEMPTS = search.numbers(sys.argv[2:], (1, 1, 2))
OWNERS = (0, 1)
TRIES, TAKES = 2, 2
OVER = ("over",)

# A state: names; requests on their way; owners as (step, attempt, try); the reaper as (step, name, target); starts; faults and
# crashes that are left. Names: inbox a | claim a owner | taken a owner nth | marker a owner | over.
FIRST = (
    frozenset({("inbox", 1)}),
    (),
    (("idle", 0, 0), ("idle", 0, 0)),
    ("idle", None, None),
    0,
    FAULTS,
    CRASHES,
)


def executed(names, request):
    verb, source, target = request
    if verb == "make":
        return names | {source}, True
    if source not in names:
        return names, False
    return (names - {source}) | {target}, True


def wrong(state):
    return f"started {state[4]} times" if state[4] > 1 else None


def of_owner(state, who):
    names, late, owners, reaper, starts, faults, crashes = state
    step, attempt, number = owners[who]
    me = (who, number)
    claim, marker = ("claim", attempt, me), ("marker", attempt, me)

    def at(step, number=number, attempt=attempt):
        return search.replaced(owners, who, (step, attempt, number))

    def goes_on(event, step, number=number):
        return (event, who), (names, late, at(step, number), reaper, starts, faults, crashes)

    def asks(event, request, step, otherwise, attempt=attempt):
        for now, then, left, heard in search.asked(executed, names, late, faults, request):
            after = at(step if heard else otherwise, attempt=attempt)
            yield (event, who, heard), (now, then, after, reaper, starts, left, crashes)

    if step == "idle" and number < TRIES:
        for wanted in range(1, ATTEMPTS + 1):
            request = ("move", ("inbox", wanted), ("claim", wanted, me))
            # A listing of the past shows the first name for ever.
            if wanted == 1 or ("inbox", wanted) in names:
                yield from asks("claims", request, "owns", "asks of its claim", wanted)
    elif step == "asks of its claim":
        found = claim in names
        yield goes_on("looks for its claim", "owns" if found else "idle", number if found else number + 1)
    elif step == "owns" and HOW == CHECK:
        found = claim in names
        yield goes_on("looks for its claim", "marks" if found else "idle", number if found else number + 1)
    elif step in ("owns", "marks"):
        after = "starts" if HOW == CHECK else "asks of its marker"
        yield from asks("marks", ("make", marker, None), after, after)
    elif step == "asks of its marker":
        yield goes_on("looks for its marker", "checks" if marker in names else "owns")
    elif step == "checks":
        found = claim in names
        yield goes_on("looks for its claim", "starts" if found else "idle", number if found else number + 1)
    elif step == "starts":
        yield ("STARTS", who, attempt), (names, late, at("runs"), reaper, starts + 1, faults, crashes)
    if crashes and step != "idle":
        yield ("dies", who), (names, late, at("idle", number + 1), reaper, starts, faults, crashes - 1)


def target_of(attempt, is_marked):
    """Where the reaper puts a claim; nowhere where that would be one attempt more than the model has."""
    if is_marked:
        return OVER
    return ("inbox", attempt + 1) if attempt < ATTEMPTS else None


def of_reaper(state):
    names, late, owners, reaper, starts, faults, crashes = state
    step, name, target = reaper

    def moves(event, request, after, otherwise):
        for now, then, left, heard in search.asked(executed, names, late, faults, request):
            reaper = after if heard else otherwise
            yield (event, request[1], request[2], heard), (now, then, owners, reaper, starts, left, crashes)

    def becomes(event, reaper, left=crashes):
        return event, (names, late, owners, reaper, starts, faults, left)

    idle = ("idle", None, None)
    if step == "idle":
        for found in names:
            if found[0] == "claim" and HOW == READ:
                is_marked = ("marker",) + found[1:] in names
                yield becomes(("reads", found, is_marked), ("read", found, target_of(found[1], is_marked)))
            elif found[0] == "claim":
                taken = ("taken",) + found[1:] + (1,)
                yield from moves("takes", ("move", found, taken), ("took", taken, None), idle)
            elif found[0] == "taken" and found[3] < TAKES:
                # Left by one that died, or whose reply was lost.
                taken = found[:3] + (found[3] + 1,)
                yield from moves("takes again", ("move", found, taken), ("took", taken, None), idle)
    elif step == "took":
        is_marked = ("marker",) + name[1:3] in names
        if HOW == FORGETS and name[3] > 1:
            is_marked = False
        yield becomes(("decides", name, is_marked), ("decided", name, target_of(name[1], is_marked)))
    elif target is None:
        yield becomes(("leaves", name), idle)
    else:
        yield from moves("moves", ("move", name, target), idle, idle)
    if crashes and step != "idle":
        yield becomes(("the reaper dies",), idle, crashes - 1)


def events(state):
    names, late, owners, reaper, starts, faults, crashes = state
    for number, request in enumerate(late):
        rest = late[:number] + late[number + 1 :]
        now, _ = executed(names, request)
        yield ("late",) + request, (now, rest, owners, reaper, starts, faults, crashes)
    for who in OWNERS:
        yield from of_owner(state, who)
    yield from of_reaper(state)


sys.exit(search.explore(f"start {HOW}", FIRST, events, wrong))
