# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dispatch_global_optspecs
    string join \n h/help V/version
end

function __fish_dispatch_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dispatch_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dispatch_using_subcommand
    set -l cmd (__fish_dispatch_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dispatch -n "__fish_dispatch_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_needs_command" -s V -l version -d 'Print version'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "demo" -d 'Watch a task travel between two nodes on this machine'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "init" -d 'Lay out a share and write the first configuration of this node'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "config" -d 'Show every setting in force, and where its value came from'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "send" -d 'Sign a task and hand it to another host'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "watch" -d 'Serve this node: take tasks in, run them, answer'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "ack" -d 'List, show, approve or deny what waits for an approval'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "wait" -d 'Wait for the outcome of tasks'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "show" -d 'Show everything about one task: what was asked, where it is, what came of it'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "cancel" -d 'Ask the receiver to end a task, wherever it is'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "status" -d 'Show nodes, lanes, running tasks, and what is wrong'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "why" -d 'Say in one line why a task is where it is'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "log" -d 'Show what happened here and on the peers, or verify that nobody changed it'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "doctor" -d 'Find out what a shared folder is good for'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "fsck" -d 'Look for what should not be on the share'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "halt" -d 'Stop new starts; touch KILLSWITCH in the root does the same'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "resume" -d 'Lift a halt, or show what there is'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "key" -d 'Make, carry and drop the keys of links'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "seal" -d 'Seal a document read from standard input'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "verify" -d 'Say whether a file is a document this host would take'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "gc" -d 'Move old outcomes to their days, and clear away what nobody needs'
complete -c dispatch -n "__fish_dispatch_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l agent -d 'What runs the task' -r -f -a "command\t'The shell; needs nothing installed'
claude\t'Claude Code, if it is installed'"
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l request -d 'What is asked [default: a line of shell for \'command\', a question for an agent]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l ack -d 'Show the approval gate: the task waits until an approver signs'
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l keep -d 'Leave everything in place, and say where'
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l peer -d 'A node that this one sends to; may be repeated' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l accept -d 'A node whose tasks are run here; may be repeated' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l pool -d 'A pool that this node serves or sends to, with its members; may be repeated' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l agent -d 'What kind of agent runs tasks: command, claude, codex, gemini, opencode or aider' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l group -d 'The group that both hosts share: the root is given to it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l print -d 'Print the configuration instead of writing it, and leave the share alone'
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l changed -d 'Only settings that are not at their default'
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l check -d 'Print nothing but what is wrong; exit 1 if anything is'
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l json -d 'Print one JSON object per setting'
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l reference -d 'Print every key there is, with its default and its meaning, as Markdown'
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l to -d 'Who is asked: a node or a pool of your configuration' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l from -d 'Who asks: this node [default: the configured one, or DISPATCH_FROM]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -s r -l request -d 'What is asked; \'-\' reads it from standard input' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l request-file -d 'Read what is asked from a file; \'-\' reads standard input' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -s p -l priority -d 'How soon it should run among others: low, normal or high' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l profile -d 'How it should be run: a profile of the receiver [default: the receiver\'s]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l timeout -d 'Longest running time, such as 90s or 2h' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l stall -d 'End it when it shows no sign of work for this long' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l max-output -d 'Most output to keep, such as 2MB' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l expires -d 'Do not start it later than this from now' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l max-attempts -d 'Most starts, with --idempotent' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l tag -d 'A label to find it by; may be repeated' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l parent -d 'The task on whose behalf it is sent [default: the one that this runs in]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l root-task -d 'The first task of that line [default: that of the parent, or the parent]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l correlation -d 'Your own label for a conversation [default: that of the task that this runs in]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l wait -d 'Wait for the outcome, at most this long; print the answer and exit by it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l until -d 'Wait until the receiver says under seal that it is so far; exit 80 and name the missing hop where it does not' -r -f -a "delivered\t'The receiver has it in its journal'
accepted\t'It will be started as soon as there is room'
started\t'Its agent was let go'
finished\t'It is over'"
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l deadline -d 'How long --until waits' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l schema -d 'Envelope: 3, or 2 for a watcher of the original' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l callback -d 'Kept for callers of the original; results always come as files' -r -f -a "file\t''
discord\t''
none\t''"
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l ack -d 'Ask a human of the receiver first'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l dangerous -d 'Ask for the dangerous mode of the profile; the receiver decides'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l idempotent -d 'Running it twice does no harm'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l anyway -d 'Send it to a pool although no member would take it now'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l json -d 'Print one JSON object'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l poll -d 'Shortest time between two looks at the share' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l slots -d 'Attempts at once' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l once -d 'Do rounds until nothing is left to do, then end'
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l check -d 'Look at configuration, keys, share and agents, say what is wrong, and end'
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l insecure-share -d 'Serve a share that the doctor refuses: you say that the guarantees need not hold'
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l adopt -d 'Take tasks that are older than this node\'s journal: you say that none of them ran'
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l reason -d 'Why it is denied' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l as -d 'Decide as this approver [default: the one whose key this host holds]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l on -d 'The node that waits [default: this node]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l deny -d 'Deny instead of approve'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l dangerous -d 'Allow the dangerous mode, if the task asks for it'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -s y -l yes -d 'Do not ask: for automation'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l show -d 'Only show it'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l json -d 'Print JSON'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand ack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l for -d 'Wait at most this long' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l all -d 'Wait for every open task of this node'
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l any -d 'End with the first outcome'
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l json -d 'Print one JSON object a task'
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l json -d 'Print one JSON object'
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l log -d 'Print the log of the run, and nothing else'
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l request -d 'Print the whole request, and nothing else'
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l reason -d 'Why; the result says it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l wait -d 'Wait for the outcome, at most TIME' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l json -d 'Print one JSON object'
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l json -d 'Print one JSON object'
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l json -d 'Print one JSON object'
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l task -d 'Only of tasks whose id begins like this' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l node -d 'Only of this node, itself or a peer' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l event -d 'Only this event, such as task_send; may be repeated' -r -f -a "task_send\t''
task_admit\t''
task_reject\t''
task_pending_ack\t''
task_auto\t''
task_ack\t''
task_deny\t''
task_cancel\t''
task_expire\t''
task_duplicate\t''
task_reuse\t''
task_exec_start\t''
task_exec_err\t''
task_exec_end\t''
task_exec_stop\t''
task_exec_sweep\t''
exec_spawn_err\t''
exec_killswitch\t''
task_commit\t''
task_reveal\t''
task_squat\t''
task_return\t''
task_take\t''
task_adopt\t''
task_grant_wait\t''
task_late\t''
task_grant\t''
task_withhold\t''
task_release\t''
task_outcome\t''
task_conflict\t''
document_reject\t''
junk\t''
watcher_start\t''
watcher_stop\t''
watcher_err\t''
halt\t''
resume\t''
halt_seen\t''
halt_gone\t''
share_lost\t''
share_refuse\t''
share_back\t''
disk_low\t''
clock_rollback\t''
clock_skew\t''
heartbeat_foreign\t''
peer_silent\t''
peer_back\t''
key_create\t''
key_import\t''
key_rotate\t''
key_revoke\t''
key_refuse\t''
config_load\t''
config_err\t''
gc\t''
fsck\t''
log_lost\t''
log_retire\t''
log_altered\t''"
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l peer -d 'Only where this is the other side' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l since -d 'Only from this moment on: "90s", "1h", "2d" ago, a day, or a time as the log shows it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l until -d 'Only before this moment' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -s f -l follow -d 'Go on showing what is told'
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l json -d 'Show the records as they were written, a line of JSON each'
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l verify -d 'Check every chain, and what the nodes have sealed of it; exit 1 where something is missing or changed'
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l only -d 'Only these checks, by number; the verdict then says less' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l as -d 'With --pair: the name of this side, where no configuration says it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l with -d 'With --pair: the name of the other side; else whoever comes' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l within -d 'With --pair: how long to wait for the other side' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l check -d 'Run this check alone, with these orders' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l orders -d 'What a check is told, as JSON' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l busy-in -d 'Read this folder until killed' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l json -d 'Answer with one JSON object'
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l pair -d 'Examine the share together with the doctor of another host, which is started there at the same time'
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l repair -d 'Put right what can be put right without harm; only while no watcher of this node runs'
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l json -d 'Answer with one JSON object a line'
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand fsck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l node -d 'Only this node; of a pool that it is a member of, the other members go on' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l lane -d 'Only tasks from this lane, such as devbox-to-gpubox or devbox-to-pool.gpu; pool.gpu means every lane to it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l reason -d 'Why; everybody who looks sees it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l kill -d 'Also end what runs'
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l local -d 'Only this node, by a file on its own disk: works without the share'
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand halt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l all -d 'Every killswitch that is listed'
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l local -d 'Those on this node\'s own disk instead of those on the share'
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l dry-run -d 'Show what there is and lift nothing'
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "new-link" -d 'Make a secret for the link to a node, a pool or an approver'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "new-sign" -d 'Make a key that signs what this node, or an approver, says to a node or a pool'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "export" -d 'Write the key of a link to standard output'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "import" -d 'Read keys from standard input and keep them'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "list" -d 'Show the keys of this host, by their fingerprints'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "rotate" -d 'Change the secret of a link, in two steps'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "revoke" -d 'Drop a key: nothing sealed with it is believed any more'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and not __fish_seen_subcommand_from new-link new-sign export import list rotate revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l kid -d 'The id of the key [default: k, the day, four random digits]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l another -d 'Make another one although this link has a key that signs'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-link" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l as -d 'Who signs [default: this node]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l kid -d 'The id of the key [default: k, the day, four random digits]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l another -d 'Make another one although this link has a key that signs'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from new-sign" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l kid -d 'The key to write [default: the newest of the link]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l v2 -d 'Read the text of the original\'s hmac.key instead: the version 2 key of the link to this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON object for each key'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l alg -d 'Which of the link\'s keys: the shared secret, or those that sign [default: in the first step those of the newest, in the second both]' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l flip -d 'The second step: sign with the newest key, and only check with the others'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "new-link" -d 'Make a secret for the link to a node, a pool or an approver'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "new-sign" -d 'Make a key that signs what this node, or an approver, says to a node or a pool'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write the key of a link to standard output'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "import" -d 'Read keys from standard input and keep them'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show the keys of this host, by their fingerprints'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Change the secret of a link, in two steps'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Drop a key: nothing sealed with it is believed any more'
complete -c dispatch -n "__fish_dispatch_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l now -d 'Choose the key as if it were this moment, such as 2026-11-20T06:00:00Z' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l beat -d 'Pad a heartbeat or a lease to its fixed size'
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand seal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l kind -d 'What it is to be: task, ack, result, heartbeat, cancel or lease' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l from -d 'Who is to have written it' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l to -d 'For whom' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l now -d 'Judge as of this moment, such as 2026-11-20T06:00:00Z' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l any-time -d 'Do not compare its times with any clock'
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l keep -d 'Remove outcomes, logs and refused tasks that are older than this' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l root -d 'The shared folder' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l side -d 'The name of this node' -r
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l dry-run -d 'Only say what would be done'
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l json -d 'Print one JSON object'
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch -n "__fish_dispatch_using_subcommand gc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "demo" -d 'Watch a task travel between two nodes on this machine'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "init" -d 'Lay out a share and write the first configuration of this node'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "config" -d 'Show every setting in force, and where its value came from'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "send" -d 'Sign a task and hand it to another host'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "watch" -d 'Serve this node: take tasks in, run them, answer'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "ack" -d 'List, show, approve or deny what waits for an approval'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "wait" -d 'Wait for the outcome of tasks'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "show" -d 'Show everything about one task: what was asked, where it is, what came of it'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "cancel" -d 'Ask the receiver to end a task, wherever it is'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "status" -d 'Show nodes, lanes, running tasks, and what is wrong'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "why" -d 'Say in one line why a task is where it is'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "log" -d 'Show what happened here and on the peers, or verify that nobody changed it'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "doctor" -d 'Find out what a shared folder is good for'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "fsck" -d 'Look for what should not be on the share'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "halt" -d 'Stop new starts; touch KILLSWITCH in the root does the same'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "resume" -d 'Lift a halt, or show what there is'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "key" -d 'Make, carry and drop the keys of links'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "seal" -d 'Seal a document read from standard input'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "verify" -d 'Say whether a file is a document this host would take'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "gc" -d 'Move old outcomes to their days, and clear away what nobody needs'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and not __fish_seen_subcommand_from demo init config send watch ack wait show cancel status why log doctor fsck halt resume key seal verify gc help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "new-link" -d 'Make a secret for the link to a node, a pool or an approver'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "new-sign" -d 'Make a key that signs what this node, or an approver, says to a node or a pool'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "export" -d 'Write the key of a link to standard output'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "import" -d 'Read keys from standard input and keep them'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'Show the keys of this host, by their fingerprints'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "rotate" -d 'Change the secret of a link, in two steps'
complete -c dispatch -n "__fish_dispatch_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "revoke" -d 'Drop a key: nothing sealed with it is believed any more'
