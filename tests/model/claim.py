"""Claim, takeover and commit of one task by renames alone (docs/QUEUE.md, R1 to R3).

    claim.py safe|same-target|names-again [attempts 2] [network faults 2] [crashes 1] [tries 2]

Two claimants and a reaper act on one task file; `rename` is the only operation. A reply is lost, a request is given up and
executed later, or is executed twice; a claimant dies at any moment; a listing may be of the past, so any attempt's name may be
tried; the reaper comes at any moment, since no term is assumed. Always: the file exists exactly once, no attempt is started
twice, and at most one claim is committed.

safe          every try has a target of its own; after an error its maker looks for that very name
same-target   both rename to one target, and take "gone from here and there now" for their own doing: must fail
names-again   a task that comes back gets its first name again: must fail
"""

import sys

import search

SAFE, SAME, AGAIN = "safe", "same-target", "names-again"
HOW = search.variant([SAFE, SAME, AGAIN])
ATTEMPTS, FAULTS, CRASHES, TRIES = search.numbers(sys.argv[2:], (2, 2, 1, 2))
CLAIMANTS = (0, 1)


def inbox(attempt):
    return ("inbox", 0 if HOW == AGAIN else attempt)


def claimed(attempt, claimant):
    return ("processing", attempt, claimant) if HOW == SAFE else ("processing", 0, 0)


def done(attempt, claimant):
    return ("done", attempt, claimant)


# A state: (name, attempt) of each file; requests on their way; claimants as (step, attempt, try); starts; commits; faults and
# crashes that are left.
FIRST = (
    frozenset({(inbox(1), 1)}),
    (),
    (("idle", 0, 0), ("idle", 0, 0)),
    (),
    (),
    FAULTS,
    CRASHES,
)


def attempt_of(files, name):
    for other, attempt in files:
        if other == name:
            return attempt
    return None


def renamed(files, request):
    source, target, more = request
    attempt = attempt_of(files, source)
    if attempt is None:
        return files, False
    rest = frozenset(file for file in files if file[0] not in (source, target))
    return rest | {(target, attempt + more)}, True


def wrong(state):
    files, _, _, starts, commits, _, _ = state
    if len(files) != 1:
        return f"the task file exists {len(files)} times"
    if len(set(starts)) < len(starts):
        return f"an attempt was started twice: {starts}"
    if len(set(commits)) > 1:
        return f"two commits: {commits}"
    return None


def of_claimant(state, who):
    files, late, claimants, starts, commits, faults, crashes = state
    step, attempt, number = claimants[who]
    me = (who, number)
    fresh = number + 1 if HOW == SAFE else number

    def at(step, attempt, number):
        return search.replaced(claimants, who, (step, attempt, number))

    if step == "idle" and number <= TRIES:
        for wanted in range(1, ATTEMPTS + 1):
            if HOW == AGAIN and wanted > 1:
                continue
            request = (inbox(wanted), claimed(wanted, me), 0)
            for now, then, left, heard in search.asked(renamed, files, late, faults, request):
                after = at("owns" if heard else "asks", wanted, number)
                yield ("claims", who, wanted, heard), (now, then, after, starts, commits, left, crashes)
    elif step == "asks":
        mine = attempt_of(files, claimed(attempt, me)) is not None
        if HOW != SAFE:
            mine = mine and attempt_of(files, inbox(attempt)) is None
        if mine:
            yield ("finds its claim", who), (files, late, at("owns", attempt, number), starts, commits, faults, crashes)
        # Also where its listing is of the past.
        yield ("gives up", who), (files, late, at("idle", 0, fresh), starts, commits, faults, crashes)
    elif step == "owns":
        found = attempt if HOW == SAFE else attempt_of(files, claimed(attempt, me)) or attempt
        yield ("STARTS", who, found), (files, late, at("runs", found, number), starts + (found,), commits, faults, crashes)
    elif step == "runs":
        request = (claimed(attempt, me), done(attempt, me), 0)
        for now, then, left, heard in search.asked(renamed, files, late, faults, request):
            after = at("over" if heard else "asks of its commit", attempt, number)
            more = commits + ((attempt, me),) if heard else commits
            yield ("commits", who, heard), (now, then, after, starts, more, left, crashes)
    elif step == "asks of its commit":
        if attempt_of(files, done(attempt, me)) is not None:
            more = commits + ((attempt, me),)
            yield ("finds its commit", who), (files, late, at("over", attempt, number), starts, more, faults, crashes)
        yield ("is fenced", who), (files, late, at("idle", 0, fresh), starts, commits, faults, crashes)
    if crashes and step != "over":
        yield ("dies", who), (files, late, at("idle", 0, number + 1), starts, commits, faults, crashes - 1)


def events(state):
    files, late, claimants, starts, commits, faults, crashes = state
    for number, request in enumerate(late):
        rest = late[:number] + late[number + 1 :]
        now, _ = renamed(files, request)
        yield ("late", request[0], request[1]), (now, rest, claimants, starts, commits, faults, crashes)
    for who in CLAIMANTS:
        yield from of_claimant(state, who)
    for name, attempt in files:
        if name[0] == "processing" and attempt < ATTEMPTS:
            request = (name, inbox(attempt + 1), 1)
            for now, then, left, heard in search.asked(renamed, files, late, faults, request):
                yield ("is taken", name, heard), (now, then, claimants, starts, commits, left, crashes)


sys.exit(search.explore(f"claim {HOW}", FIRST, events, wrong))
