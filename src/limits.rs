//! Every bound of the system, the unit in its name, and the relations between them.
//!
//! A number that two modules must agree on lives here; a relation that must hold is a `const` assertion, so that
//! a change which breaks it does not compile.

use std::time::Duration;

/// Largest sealed task, in bytes as written (`docs/ENVELOPE.md`, sizes).
pub const TASK_BYTES_MAX: usize = 256 * 1024;
/// Largest request inside a task, in bytes of UTF-8.
pub const REQUEST_BYTES_MAX: usize = 192 * 1024;
/// Largest sealed result, in bytes as written.
pub const RESULT_BYTES_MAX: usize = 1024 * 1024;
/// Largest sealed ack, cancel, lease or heartbeat, in bytes as written.
pub const CONTROL_BYTES_MAX: usize = 8 * 1024;
/// Exact size of a heartbeat and a lease: rewritten in place, so it never grows or shrinks.
pub const BEAT_BYTES: usize = 4096;
/// Deepest nesting of a document; the outermost object is level one.
pub const JSON_DEPTH_MAX: usize = 8;
/// Largest integer of a document: what every JSON reader keeps exactly (RFC 8259 section 6).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Longest file name on a share: the shortest limit seen in the field (eCryptfs).
pub const NAME_BYTES_MAX: usize = 143;
/// Answer text carried in a result, in bytes; the whole output is in the log.
pub const FINAL_TEXT_BYTES_MAX: usize = 64 * 1024;

/// How old a task of the original's envelope may be: it carries no expiry of its own.
pub const LEGACY_WINDOW: Duration = Duration::from_secs(15 * 60);
/// Clock difference between two hosts that is forgiven.
pub const SKEW: Duration = Duration::from_secs(120);
/// Longest life of a task that any policy may allow.
pub const LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Life of a task whose sender did not say.
pub const LIFE_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// Life of an approval or denial whose approver did not say.
pub const ACK_LIFE_DEFAULT: Duration = Duration::from_secs(3600);
/// Longest running time that any policy may allow.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);
/// How often a task may have been handed on by a task, whatever policy says.
pub const HOP_MAX: u32 = 16;
/// How long the journal remembers an id after its task expired.
pub const MEMORY_AFTER_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long a permit to start is good for, on CLOCK_BOOTTIME, from the last look at the root.
pub const PERMIT_LIFE: Duration = Duration::from_millis(500);
/// An executor that has not come for its run directory by then never will: the directory is made void.
pub const HAND_OVER_MAX: Duration = Duration::from_secs(5);
/// How long an executor that is ready to start waits for its permit.
pub const PERMIT_PATIENCE: Duration = Duration::from_secs(30);
/// How often it looks for it.
pub const PERMIT_LOOK: Duration = Duration::from_millis(5);
/// An executor that came and has not started by then hangs: its run directory is made void.
pub const READY_MAX: Duration = Duration::from_secs(120);
/// Between the polite signal and the one that cannot be refused.
pub const GRACE: Duration = Duration::from_secs(10);
/// After the agent ended: how long its pipes may stay open before what holds them is killed.
pub const PIPE_LINGER: Duration = Duration::from_secs(2);
/// Starts of one task that provably did not happen, one after another, before it is given up.
pub const MISSES_MAX: u32 = 5;
/// Pause after the first of them; the second waits twice as long, and so on.
pub const MISS_PAUSE: Duration = Duration::from_millis(500);
/// An agent that has given its final result but neither works nor exits is ended after this long.
pub const RESULT_LINGER: Duration = Duration::from_secs(30);
/// How long freezing and killing of descendants is repeated before the rest is reported.
pub const SWEEP_PATIENCE: Duration = Duration::from_secs(5);
/// How long the stages of an agent may take to put it under containment.
pub const CONTAIN_PATIENCE: Duration = Duration::from_secs(10);
/// After something could not be moved to `rejected/`: how long that is not tried again in its lane.
pub const REFUSE_PAUSE: Duration = Duration::from_secs(10);
/// How often an executor looks for a request to stop.
pub const STOP_LOOK: Duration = Duration::from_millis(50);
/// How often the killswitch is looked at while something runs.
pub const HALT_LOOK: Duration = Duration::from_secs(2);
/// Longest time between two looks at a share that fails.
pub const LOST_LOOK: Duration = Duration::from_secs(30);
/// Shortest time between two looks whatever happens: a client that is asked for the same folder again and again without
/// a pause may go on answering from its cache (measured: SMB with directory leases, up to 35 s; none with 20 ms).
pub const LOOK_GAP: Duration = Duration::from_millis(20);
/// Coarsest tick of a server's clock that is reckoned with (FAT: two seconds): a change of a folder that is older
/// shares its time with no later one.
pub const TICK_MAX: Duration = Duration::from_secs(2);
/// How often a folder that is listened to is read from the server for certain, while there is work.
pub const STIR_BUSY: Duration = Duration::from_secs(60);
/// The same without work.
pub const STIR_IDLE: Duration = Duration::from_secs(300);
/// How often identity and free space of the share are asked.
pub const SLOW_LOOK: Duration = Duration::from_secs(60);
/// How often it is tried whether a share can be written again that could not.
pub const WRITE_LOOK: Duration = Duration::from_secs(10);
/// How often the clock is compared with the server's, where they agreed.
pub const SKEW_LOOK: Duration = Duration::from_secs(3600);
/// A difference to the server's clock that is worth telling.
pub const SKEW_TOLD: Duration = Duration::from_secs(30);
/// A step of the wall clock against the boot clock after which it is compared at once.
pub const CLOCK_STEP: Duration = Duration::from_secs(5);
/// Longest time for which a lane is left alone that takes no outcomes.
pub const COMMIT_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a watcher waits for one call to the share before it goes on without it. A server that restarts answers
/// after 21 to 28 s (measured on Linux 6.1, NFSv3 and NFSv4.2), and then nothing was lost.
pub const SHARE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a command that a person waits for does.
pub const SHARE_PATIENCE_COMMAND: Duration = Duration::from_secs(10);
/// How long anything does that was told to end.
pub const SHARE_PATIENCE_ENDING: Duration = Duration::from_secs(3);
/// An entry in `inbox/` that nobody understands is moved away after this long by the server's time.
pub const JUNK_AGE: Duration = Duration::from_secs(60);
/// With `--once`: how long the last things that cannot be dealt with are waited for, when nothing runs.
pub const DRAIN_PATIENCE: Duration = Duration::from_secs(75);
/// An abandoned temporary file may be removed after this long by the server's time (maildir(5): 36 hours).
pub const TMP_AGE: Duration = Duration::from_secs(36 * 3600);
/// A revealed outcome stays in `done/` for this long at least before it moves to its day.
pub const DONE_AGE: Duration = Duration::from_secs(24 * 3600);
/// Outcomes in `done/` of one lane above which the oldest move to their day sooner: listing it must stay cheap.
pub const DONE_CROWD: usize = 1000;
/// How long a revealed outcome stays in `done/` even then.
pub const DONE_YOUNG: Duration = Duration::from_secs(600);
/// How long a day that is no longer kept can still be read by who has it open, before its files are removed.
pub const TRASH_AGE: Duration = Duration::from_secs(24 * 3600);
/// What was refused, and is no task with an outcome, is removed after this long.
pub const REJECTED_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A scratch file is left over after this long.
pub const SCRATCH_AGE: Duration = Duration::from_secs(3600);
/// How long it is remembered what the first outcome of a task was that was sent from here.
pub const RECORD_AGE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Time between two passes of a watcher that look for old files.
pub const SWEEP_PAUSE: Duration = Duration::from_secs(3600);
/// Pause before the first such pass, and after one that left something over.
pub const SWEEP_SOON: Duration = Duration::from_secs(60);
/// Pause between two such passes while `done/` is crowded and there is more to move.
pub const SWEEP_CROWD: Duration = Duration::from_secs(5);
/// A sender that has not published its temporary file within this time gives up.
pub const PUBLISH_DEADLINE: Duration = Duration::from_secs(24 * 3600);
/// Time between two heartbeats while something runs or waits.
pub const BEAT_BUSY: Duration = Duration::from_secs(5);
/// Time between two heartbeats of an idle node.
pub const BEAT_IDLE: Duration = Duration::from_secs(15);
/// A node whose heartbeat did not advance for this long is called silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(60);

/// Time between two rewritings of the lease of a claim in a pool.
pub const LEASE_BEAT: Duration = Duration::from_secs(10);
/// How long leases are beaten beside rounds that do not come back; then they run out.
pub const VIGIL_MAX: Duration = Duration::from_secs(600);
/// A claim whose lease did not change for this long, on the observer's own CLOCK_BOOTTIME, may be taken over.
pub const LEASE_TERM: Duration = Duration::from_secs(120);
/// How long an owner may go on after it began the last beat that succeeded.
pub const LEASE_SELF: Duration = Duration::from_secs(60);
/// Longest grace of an agent whose claim is lost: others wait for no more.
pub const LEASE_GRACE: Duration = Duration::from_secs(30);
/// Successful looks without a change that an expiry rests on, at least.
pub const LEASE_LOOKS_MIN: u32 = 3;
/// Time between two looks at the claims of a pool, while others hold any or this node does.
pub const REAP_LOOK: Duration = Duration::from_secs(15);
/// How long a claim waits for the grant of the sender's node before it is given back.
pub const GRANT_PATIENCE: Duration = Duration::from_secs(60);
/// How long a start waits for a cancel of its task that cannot be read.
pub const CANCEL_PATIENCE: Duration = Duration::from_secs(300);
/// Pause before a task that was started in vain is offered again, times the number of its starts.
pub const RETRY_PAUSE: Duration = Duration::from_secs(30);
/// Time between two looks of a sender at the claims of a pool, while nothing there waits for its word.
pub const GRANT_LOOK: Duration = Duration::from_secs(10);
/// Longest time between two rounds of a sender while something there may wait for its word.
pub const GRANT_BUSY: Duration = Duration::from_secs(1);
/// How long a sender looks at every round after it was told that it sent something to a pool.
pub const GRANT_EAGER: Duration = Duration::from_secs(120);
/// Looks at a claim that proves nothing, before a sender looks at it as rarely as at nothing.
pub const GRANT_DOUBTS_MAX: u32 = 5;
/// Claims of one task that a sender remembers as spent; it refuses all further ones.
pub const CLAIMS_MAX: usize = 64;
/// Tasks of one pool that one member holds in `pending-ack/`.
pub const PARKED_MAX: usize = 16;
/// Candidates of one pool that are read in one pass; the rest waits for the next.
pub const CANDIDATES_MAX: usize = 32;

/// Longest running time of one attempt that any profile may allow.
pub const RUN_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most output of one attempt that any profile may keep, in bytes.
pub const OUTPUT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Most attempts at once that any node may allow.
pub const SLOTS_MAX: u32 = 256;
/// Most members of a pool.
pub const MEMBERS_MAX: usize = 64;
/// Shortest time between two looks at the share.
pub const POLL_MIN: Duration = Duration::from_millis(50);
/// Longest time between two looks at the share: it bounds how late a killswitch is seen.
pub const POLL_MAX: Duration = Duration::from_secs(60);
/// Largest configuration file, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Most names of a folder that a listing takes: a stranger who can write to a folder must not fill this node's memory.
/// A folder with more cannot be listed, which is not the same as empty.
pub const LIST_NAMES_MAX: usize = 400_000;
/// Most names of an `inbox/` that one look takes; what is there beyond waits until these are gone.
pub const INBOX_NAMES_MAX: usize = 150_000;
/// Entries of one directory handled in one pass; the rest waits for the next.
pub const PASS_ENTRIES_MAX: usize = 256;
/// Files in `processing/` that could not be dealt with yet and are remembered; more are found again by looking.
pub const STRAYS_MAX: usize = 1024;
/// Shortest time between two tries of such files in one lane.
pub const STRAYS_PAUSE: Duration = Duration::from_millis(900);
/// Tasks of one lane and priority admitted ahead of a free slot; the rest waits in `inbox/`, cheaply, by name.
pub const ADMITTED_AHEAD_MAX: usize = 64;
/// Junk entries moved out of one `inbox/` in one pass.
pub const JUNK_PER_PASS_MAX: usize = 512;
/// Free space below which nothing new is claimed, in bytes, on the share and on the local disk.
pub const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Bytes of a KILLSWITCH file that are read.
pub const KILLSWITCH_BYTES_MAX: usize = 64;
/// Start of an agent's standard output kept in memory for the verdict, in bytes.
pub const HEAD_BYTES: usize = 256 * 1024;
/// End of an agent's output kept in memory, for the verdict and for the log when it exceeds its cap, in bytes.
pub const TAIL_BYTES: usize = 256 * 1024;
/// An agent that writes more than this many times its cap is ended.
pub const FLOOD_FACTOR: u64 = 4;
/// Largest line of agent output that is parsed; a longer one is counted and skipped.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest summary of an event, in characters (as in the original's log).
pub const SUMMARY_LETTERS_MAX: usize = 140;
/// Most of a request that a summary quotes, in characters.
pub const QUOTE_LETTERS_MAX: usize = 80;
/// Largest line of an audit log, its newline included, in bytes.
pub const RECORD_BYTES_MAX: usize = 4096;
/// A segment of an audit log that has reached this size is followed by a new one, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long one try to deliver a notification may take, where the configuration says nothing.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest such time that may be configured.
pub const NOTIFY_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// How often one notification is tried, where the configuration says nothing.
pub const NOTIFY_TRIES: u32 = 10;
/// Pause after the first try that failed; it doubles with each.
pub const NOTIFY_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause between two tries, whatever a server asks for.
pub const NOTIFY_PAUSE_MAX: Duration = Duration::from_secs(600);
/// Time between two looks at the log for news.
pub const NOTIFY_LOOK: Duration = Duration::from_secs(1);
/// Notifications that wait for one destination; what comes on top is told as a number.
pub const NOTIFY_QUEUE_MAX: usize = 200;
/// Records of the log taken in by one pass.
pub const NOTIFY_RECORDS_PER_PASS: usize = 1000;
/// Tasks whose profile is remembered, so that their end can be told by it.
pub const NOTIFY_PROFILES_MAX: usize = 256;
/// Largest file of a secret of a destination, in bytes.
pub const NOTIFY_SECRET_BYTES_MAX: usize = 4096;
/// Largest file of what waits for a destination, in bytes.
pub const NOTIFY_STATE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most of a server's answer that is read, in bytes.
pub const NOTIFY_ANSWER_BYTES_MAX: u64 = 4096;
/// Most destinations of one node: each has a thread.
pub const NOTIFY_DESTINATIONS_MAX: usize = 32;

// What waits for a destination fits the file it is read back from, with its counters.
const _: () = assert!(NOTIFY_QUEUE_MAX * RECORD_BYTES_MAX * 2 < NOTIFY_STATE_BYTES_MAX);
// Nobody reaps a file that a live sender may still be writing (qmail: 24 h to live, 36 h to be collected).
const _: () = assert!(PUBLISH_DEADLINE.as_secs() < TMP_AGE.as_secs());
// Who waits for an outcome looks in its day more often than outcomes move there.
const _: () = assert!(DONE_YOUNG.as_secs() >= 2 * SWEEP_SOON.as_secs());
// Half-written files are given their minute before a drain gives up.
const _: () = assert!(JUNK_AGE.as_secs() + REFUSE_PAUSE.as_secs() < DRAIN_PATIENCE.as_secs());
// A watcher whose calls hang is back in its rounds before the service manager takes it for dead (WatchdogSec=60).
const _: () = assert!(SHARE_PATIENCE.as_secs() < 60);
// A silent node has missed several beats, not one.
const _: () = assert!(BEAT_IDLE.as_secs() * 3 < SILENT_AFTER.as_secs());
// Between the end of an owner's own term and the end of everybody's lies all that ending an agent may take: its grace,
// the sweep, a beat, and two clocks that run differently by one in a hundred.
const _: () = assert!(
    LEASE_SELF.as_millis()
        + LEASE_GRACE.as_millis()
        + SWEEP_PATIENCE.as_millis()
        + LEASE_BEAT.as_millis()
        + 2 * LEASE_TERM.as_millis() / 100
        < LEASE_TERM.as_millis()
);
// One beat may fail, or two, before an attempt is ended for it.
const _: () = assert!(LEASE_BEAT.as_secs() * 3 < LEASE_SELF.as_secs());
// Within a term there is room for the looks that an expiry needs.
const _: () = assert!(REAP_LOOK.as_secs() * (LEASE_LOOKS_MIN as u64 + 1) < LEASE_TERM.as_secs());
// A claim that waits for a grant is given back before others could take it for dead.
const _: () = assert!(GRANT_PATIENCE.as_secs() + LEASE_BEAT.as_secs() < LEASE_TERM.as_secs());
// A claim does not wait in vain for a sender that merely looks rarely.
const _: () = assert!(GRANT_LOOK.as_secs() * 3 < GRANT_PATIENCE.as_secs());
// An executor gives up before it is given up.
const _: () = assert!(
    HAND_OVER_MAX.as_millis() + CONTAIN_PATIENCE.as_millis() + PERMIT_PATIENCE.as_millis()
        < READY_MAX.as_millis()
);
// There are many looks for a permit within its life.
const _: () = assert!(PERMIT_LOOK.as_millis() * 10 < PERMIT_LIFE.as_millis());
// A document fits what its reader is willing to read.
const _: () = assert!(REQUEST_BYTES_MAX < TASK_BYTES_MAX && BEAT_BYTES <= CONTROL_BYTES_MAX);
const _: () = assert!(FINAL_TEXT_BYTES_MAX <= TAIL_BYTES);
const _: () = assert!(FINAL_TEXT_BYTES_MAX * 6 < RESULT_BYTES_MAX); // \u00XX escapes are six bytes
// A summary holds its quote and says what it quotes.
const _: () = assert!(QUOTE_LETTERS_MAX + 40 <= SUMMARY_LETTERS_MAX);
// Replays stay known for longer than any clock difference that is forgiven.
const _: () = assert!(SKEW.as_secs() * 10 < MEMORY_AFTER_EXPIRY.as_secs());
