# Does not end when it is asked to.
trap 'echo "{\"id\":$pm_id,\"what\":\"SIGINT\"}" >>"$REC"' INT
echo "{\"id\":$pm_id,\"what\":\"start\"}" >>"$REC"
while :; do sleep 0.1; done
