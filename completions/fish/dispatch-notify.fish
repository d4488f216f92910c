complete -c dispatch-notify -l test -d 'Send a test message to this destination, whatever the hour' -r
complete -c dispatch-notify -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch-notify -l root -d 'The shared folder' -r -F
complete -c dispatch-notify -l side -d 'The name of this node' -r
complete -c dispatch-notify -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch-notify -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch-notify -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch-notify -l once -d 'Deliver what is due, then end; 75 where something still waits'
complete -c dispatch-notify -l list -d 'Show each destination, what waits for it and what was given up'
complete -c dispatch-notify -l json -d 'With --once, --test or --list: print one JSON object for each destination'
complete -c dispatch-notify -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch-notify -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch-notify -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch-notify -s V -l version -d 'Print version'
