# For the `run` scripts of the clients' hello-worlds: source it, then call `start_playground`. It starts three stores of
# $CAIRN_BINARY, waits until they are ready, sets $pd to PD's address, and ends them when the script ends.
start_playground() {
  local binary=${CAIRN_BINARY:-$(dirname "${BASH_SOURCE[0]}")/../build/release/cairn}
  local dir port=$((15000 + $$ % 500 * 32))
  dir=$(mktemp -d)
  "$binary" playground --stores 3 --pd-port "$port" --store-port $((port + 10)) --status-port $((port + 20)) \
    --data-dir "$dir/data" >"$dir/out" 2>&1 &
  local playground=$!
  # shellcheck disable=SC2064
  trap "kill $playground 2>/dev/null || true; wait $playground 2>/dev/null || true; rm -rf '$dir'" EXIT
  for _ in $(seq 600); do
    grep -qx ready "$dir/out" && break
    kill -0 $playground 2>/dev/null || { cat "$dir/out"; echo "the playground ended"; exit 1; }
    sleep 0.1
  done
  grep -qx ready "$dir/out" || { cat "$dir/out"; echo "the playground was not ready within 60 s"; exit 1; }
  # shellcheck disable=SC2034
  pd=127.0.0.1:$port
}
