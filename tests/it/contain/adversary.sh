#!/bin/sh
# Programs that do not want to end, by name. Each is bounded to two minutes by itself, in case nothing else ends it.
name=$1
tag=$2
nap() { exec sleep 120; }

case $name in
    setsid)
        setsid sh -c 'sleep 120; : "$1"' sh "$tag" >/dev/null 2>&1 &
        (setsid sh -c 'sleep 120 & wait; : "$1"' sh "$tag" >/dev/null 2>&1 &)
        sleep 0.2
        echo finished
        ;;
    ignore-term)
        trap '' TERM INT HUP QUIT
        echo ignoring
        while :; do sleep 1; done
        ;;
    deep)
        depth=${3:-31}
        if [ "$depth" -gt 0 ]; then
            setsid sh "$0" deep "$tag" $((depth - 1)) &
        else
            echo deep
        fi
        nap
        ;;
    orphans)
        count=0
        while [ $count -lt 100 ]; do
            (setsid sleep 120 >/dev/null 2>&1 &)
            count=$((count + 1))
        done
        echo orphaned
        nap
        ;;
    reforker)
        trap '' TERM
        depth=${3:-0}
        [ "$depth" -eq 0 ] && echo forking
        setsid sh "$0" reforker "$tag" $((depth + 1)) &
        [ "$depth" -eq 0 ] && nap
        exit 0
        ;;
    pipe-holder)
        setsid sleep 120 &
        echo answer
        ;;
    flood)
        exec yes "$tag"
        ;;
    silent)
        nap
        ;;
    trickle)
        while :; do printf .; sleep 0.1; done
        ;;
    stopped)
        echo stopping
        kill -STOP $$
        nap
        ;;
    closed-input)
        exec <&-
        echo closed
        ;;
    *)
        echo "no such adversary: $name" >&2
        exit 64
        ;;
esac
