complete -c dispatch-exec -l run -d 'Run the attempt of this run directory, as dispatch-watch prepared it' -r -F
complete -c dispatch-exec -l runs -d 'The directory of run directories, for --socket' -r -F
complete -c dispatch-exec -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch-exec -l root -d 'The shared folder' -r -F
complete -c dispatch-exec -l side -d 'The name of this node' -r
complete -c dispatch-exec -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch-exec -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch-exec -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch-exec -l socket -d 'Read the name of a run directory below --runs from standard input, and run it: for socket activation'
complete -c dispatch-exec -l layers -d 'Show which layers of containment are available here, and why others are not'
complete -c dispatch-exec -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch-exec -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch-exec -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch-exec -s V -l version -d 'Print version'
