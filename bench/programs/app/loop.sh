n=0
while :; do
  n=$((n + 1))
  echo "line $n of $$"
  sleep 0.02
done
