printf x > "$BENCH_RAN"
exec sleep 100000
