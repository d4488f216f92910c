complete -c dispatch-watch -l poll -d 'Shortest time between two looks at the share' -r
complete -c dispatch-watch -l slots -d 'Attempts at once' -r
complete -c dispatch-watch -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch-watch -l root -d 'The shared folder' -r -F
complete -c dispatch-watch -l side -d 'The name of this node' -r
complete -c dispatch-watch -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch-watch -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch-watch -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch-watch -l once -d 'Do rounds until nothing is left to do, then end'
complete -c dispatch-watch -l check -d 'Look at configuration, keys, share and agents, say what is wrong, and end'
complete -c dispatch-watch -l insecure-share -d 'Serve a share that the doctor refuses: you say that the guarantees need not hold'
complete -c dispatch-watch -l adopt -d 'Take tasks that are older than this node\'s journal: you say that none of them ran'
complete -c dispatch-watch -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch-watch -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch-watch -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch-watch -s V -l version -d 'Print version'
