# For the `run` scripts of the clients' hello-worlds, which source it. `start_playground [ARGUMENTS]` starts three stores of
# $CAIRN_BINARY, waits until they are ready and sets $pd to PD's address; `start_playground_v2` does so in API V2, with a
# keyspace `tenant`; `start_playground_tls` with TLS. A script's end, or its next playground, ends the one before.
playground_binary=${CAIRN_BINARY:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/release/cairn}
playground_dir=$(mktemp -d)
playground_pid=
playground_port=$((15000 + $$ % 250 * 64))
trap 'stop_playground; rm -rf "$playground_dir"' EXIT

stop_playground() {
  [ -n "$playground_pid" ] || return 0
  kill "$playground_pid" 2>/dev/null || true
  wait "$playground_pid" 2>/dev/null || true
  playground_pid=
}

start_playground() {
  stop_playground
  local out=$playground_dir/$playground_port.out
  "$playground_binary" playground --stores 3 --pd-port "$playground_port" --store-port $((playground_port + 10)) \
    --status-port $((playground_port + 20)) --data-dir "$playground_dir/$playground_port" "$@" >"$out" 2>&1 &
  playground_pid=$!
  for _ in $(seq 600); do
    grep -qsx ready "$out" && break
    kill -0 "$playground_pid" 2>/dev/null || { cat "$out"; echo "the playground ended"; exit 1; }
    sleep 0.1
  done
  grep -qsx ready "$out" || { cat "$out"; echo "the playground was not ready within 60 s"; exit 1; }
  # shellcheck disable=SC2034
  pd=127.0.0.1:$playground_port
  playground_port=$((playground_port + 32))
}

start_playground_v2() {
  printf '[keyspace]\npre-alloc = ["tenant"]\n' >"$playground_dir/pd.toml"
  printf '[storage]\napi-version = 2\nenable-ttl = true\n' >"$playground_dir/kv.toml"
  start_playground --pd.config "$playground_dir/pd.toml" --kv.config "$playground_dir/kv.toml"
}

# All nodes and clients speak TLS: sets $ca, $cert and $key, the files of an authority, a certificate of it and its key.
start_playground_tls() {
  ca=$playground_dir/ca.pem cert=$playground_dir/node.pem key=$playground_dir/node-key.pem
  local subject_names='subjectAltName=IP:127.0.0.1,DNS:localhost' new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  {
    openssl req -x509 "${new_key[@]}" -days 2 -subj /CN=authority -keyout "$playground_dir/ca-key.pem" -out "$ca"
    openssl req "${new_key[@]}" -subj /CN=node -keyout "$key" -out "$playground_dir/node.csr"
    openssl x509 -req -in "$playground_dir/node.csr" -CA "$ca" -CAkey "$playground_dir/ca-key.pem" -CAcreateserial -days 2 \
      -extfile <(echo "$subject_names") -out "$cert"
  } 2>"$playground_dir/openssl.log" || { cat "$playground_dir/openssl.log"; exit 1; }
  start_playground --cacert "$ca" --cert "$cert" --key "$key"
}
