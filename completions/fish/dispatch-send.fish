complete -c dispatch-send -l to -d 'Who is asked: a node or a pool of your configuration' -r
complete -c dispatch-send -l from -d 'Who asks: this node [default: the configured one, or DISPATCH_FROM]' -r
complete -c dispatch-send -s r -l request -d 'What is asked; \'-\' reads it from standard input' -r
complete -c dispatch-send -l request-file -d 'Read what is asked from a file; \'-\' reads standard input' -r -F
complete -c dispatch-send -s p -l priority -d 'How soon it should run among others: low, normal or high' -r
complete -c dispatch-send -l profile -d 'How it should be run: a profile of the receiver [default: the receiver\'s]' -r
complete -c dispatch-send -l timeout -d 'Longest running time, such as 90s or 2h' -r
complete -c dispatch-send -l stall -d 'End it when it shows no sign of work for this long' -r
complete -c dispatch-send -l max-output -d 'Most output to keep, such as 2MB' -r
complete -c dispatch-send -l expires -d 'Do not start it later than this from now' -r
complete -c dispatch-send -l max-attempts -d 'Most starts, with --idempotent' -r
complete -c dispatch-send -l tag -d 'A label to find it by; may be repeated' -r
complete -c dispatch-send -l parent -d 'The task on whose behalf it is sent [default: the one that this runs in]' -r
complete -c dispatch-send -l root-task -d 'The first task of that line [default: that of the parent, or the parent]' -r
complete -c dispatch-send -l correlation -d 'Your own label for a conversation [default: that of the task that this runs in]' -r
complete -c dispatch-send -l wait -d 'Wait for the outcome, at most this long; print the answer and exit by it' -r
complete -c dispatch-send -l until -d 'Wait until the receiver says under seal that it is so far; exit 80 and name the missing hop where it does not' -r -f -a "delivered\t'The receiver has it in its journal'
accepted\t'It will be started as soon as there is room'
started\t'Its agent was let go'
finished\t'It is over'"
complete -c dispatch-send -l deadline -d 'How long --until waits' -r
complete -c dispatch-send -l schema -d 'Envelope: 3, or 2 for a watcher of the original' -r
complete -c dispatch-send -l callback -d 'Kept for callers of the original; results always come as files' -r -f -a "file\t''
discord\t''
none\t''"
complete -c dispatch-send -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch-send -l root -d 'The shared folder' -r -F
complete -c dispatch-send -l side -d 'The name of this node' -r
complete -c dispatch-send -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch-send -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch-send -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch-send -l ack -d 'Ask a human of the receiver first'
complete -c dispatch-send -l dangerous -d 'Ask for the dangerous mode of the profile; the receiver decides'
complete -c dispatch-send -l idempotent -d 'Running it twice does no harm'
complete -c dispatch-send -l anyway -d 'Send it to a pool although no member would take it now'
complete -c dispatch-send -l json -d 'Print one JSON object'
complete -c dispatch-send -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch-send -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch-send -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch-send -s V -l version -d 'Print version'
