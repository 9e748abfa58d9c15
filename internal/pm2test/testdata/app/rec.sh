#!/bin/bash
# Notes what it is told, and stays until it is asked to end.
trap 'echo "{\"id\":$pm_id,\"name\":\"$name\",\"what\":\"SIGINT\"}" >>"$REC"; exit 0' INT
trap 'echo "{\"id\":$pm_id,\"name\":\"$name\",\"what\":\"SIGUSR2\"}" >>"$REC"' USR2
echo "{\"id\":$pm_id,\"name\":\"$name\",\"what\":\"start\",\"args\":\"$*\",\"cwd\":\"$PWD\",\"instance\":\"$NODE_APP_INSTANCE\"}" >>"$REC"
while :; do sleep 0.1; done
