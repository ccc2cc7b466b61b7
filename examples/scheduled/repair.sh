#!/bin/sh
# Replace what has drifted or grown too old, and no more of it at once than the budget allows.
#
#     repair.sh FLEET
#
# For a line of cron, or a unit of systemd's timer (beside this file). It can be run at any time, and
# as often as you like: when all is as it should be it touches nothing.
#
# MAX_AGE     how old a server may become, default: 30d
# BUDGET      how many are replaced in one run, default: 10%
# IMMUTABLE   how the command is started, default: immutable
#
# Exit codes: 0 nothing to do, or done; 8 nobody can tell whether there is anything to do; else those
# of the command that failed, such as 5: somebody else is at work on the fleet, and the next run will see.
set -eu

fleet=${1:?write: repair.sh FLEET}
immutable=${IMMUTABLE:-immutable}
max_age=${MAX_AGE:-30d}

# A run that was killed, with the machine for instance, is carried on; as a rule there is none.
ended=0
$immutable recover "$fleet" || ended=$?
[ "$ended" -le 1 ] || exit "$ended"
$immutable sweep "$fleet"

found=0
$immutable drift "$fleet" --max-age "$max_age" || found=$?
[ "$found" -eq 7 ] || exit "$found" # 0 and 8 too: unknown is for people, not for a timer.
$immutable repair "$fleet" --max-age "$max_age" --budget "${BUDGET:-10%}" --reason "scheduled repair"
