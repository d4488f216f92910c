complete -c dispatch-ack -l reason -d 'Why it is denied' -r
complete -c dispatch-ack -l as -d 'Decide as this approver [default: the one whose key this host holds]' -r
complete -c dispatch-ack -l on -d 'The node that waits [default: this node]' -r
complete -c dispatch-ack -l config -d 'Read this configuration instead of the usual dispatch.toml' -r -F
complete -c dispatch-ack -l root -d 'The shared folder' -r -F
complete -c dispatch-ack -l side -d 'The name of this node' -r
complete -c dispatch-ack -l state -d 'Where this node keeps its own state' -r -F
complete -c dispatch-ack -l keys -d 'Where this node keeps its keys' -r -F
complete -c dispatch-ack -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`'
always\t'Always'
never\t'Never'"
complete -c dispatch-ack -l deny -d 'Deny instead of approve'
complete -c dispatch-ack -l dangerous -d 'Allow the dangerous mode, if the task asks for it'
complete -c dispatch-ack -s y -l yes -d 'Do not ask: for automation'
complete -c dispatch-ack -l show -d 'Only show it'
complete -c dispatch-ack -l json -d 'Print JSON'
complete -c dispatch-ack -l insecure-key -d 'Accept keys that lie on a network disk; never on the share itself'
complete -c dispatch-ack -s q -l quiet -d 'Say nothing beside the answer and errors'
complete -c dispatch-ack -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dispatch-ack -s V -l version -d 'Print version'
