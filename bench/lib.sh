# shellcheck shell=bash
# What the cases of bench/run share: a server of one's own on a port of its own, and a few requests to it.

bench_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
holdfast=${HOLDFAST_BIN:-$bench_folder/../build/holdfast}
work_folder=
server_pids=()
server_url= # of the last one started

fail() {
    echo "bench: $*" >&2
    exit 1
}

# server_start DATABASE [serve options]: returns when it listens; sets server_url.
server_start() {
    local server_database=$1 log="$work_folder/server-${#server_pids[@]}.log" server_pid
    shift
    : >"$log"
    "$holdfast" serve --database "$server_database" --listen 127.0.0.1:0 "$@" 2>"$log" &
    server_pid=$!
    server_pids+=("$server_pid")
    for _ in $(seq 200); do
        server_url=$(sed -n 's/.*"event":"server_started","listen":"\([^"]*\)".*/http:\/\/\1/p' "$log")
        if [ -n "$server_url" ]; then
            return
        fi
        kill -0 "$server_pid" 2>/dev/null || fail "the server did not start: $(cat "$log")"
        sleep 0.05
    done
    fail "the server did not say within 10 seconds that it listens"
}

# All of them; one that does not end within ten seconds is killed, lest it keep the rest from being measured.
server_stop() {
    local server_pid
    for server_pid in "${server_pids[@]}"; do
        kill -CONT "$server_pid" 2>/dev/null || true
        kill -TERM "$server_pid" 2>/dev/null || true
        for _ in $(seq 200); do
            kill -0 "$server_pid" 2>/dev/null || break
            sleep 0.05
        done
        kill -KILL "$server_pid" 2>/dev/null || true
        wait "$server_pid" || true
    done
    server_pids=()
}

# product_create SKU STOCK
product_create() {
    curl --silent --show-error --fail --output /dev/null "$server_url/v1/products" \
        --header 'Content-Type: application/json' \
        --data "{\"title\":\"Bench\",\"sku\":\"$1\",\"price\":{\"amount\":1999,\"currency\":\"EUR\"},\"stock_quantity\":$2}"
}

# metric NAME-WITH-LABELS: its value now
metric() {
    curl --silent --show-error --fail --max-time 10 "$server_url/metrics" |
        awk -v name="$1" '$1 == name { printf "%d\n", $2 }'
}

resident_mib() {
    awk '/^VmRSS:/ { printf "%.1f\n", $2 / 1024 }' "/proc/${server_pids[0]}/status"
}

# Clock ticks for which the servers, and then the whole machine, have been busy.
busy_ticks() {
    local server_pid
    for server_pid in "${server_pids[@]}"; do
        sed 's/.*) //' "/proc/$server_pid/stat"
    done | awk '{ sum += $12 + $13 } END { printf "%d ", sum }'
    awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}

# What a load generator says of a server that died meanwhile is no measurement.
servers_live() {
    local server_pid
    for server_pid in "${server_pids[@]}"; do
        kill -0 "$server_pid" 2>/dev/null || fail "a server died"
    done
}

# Of wrk; bench/run's options.
wrk_threads=1
wrk_connections=256

# with_cores COMMAND...: its RESULT line, with how many cores the servers and the whole machine were busy with meanwhile
with_cores() {
    local before started line
    before=$(busy_ticks)
    started=$(date +%s%3N)
    line=$("$@")
    servers_live
    echo "$line $(echo "$before $(busy_ticks)" | awk -v ms="$(($(date +%s%3N) - started))" \
        -v hz="$(getconf CLK_TCK)" '{
            printf "server_cores=%.2f busy_cores=%.2f", ($3 - $1) / hz / ms * 1000, ($4 - $2) / hz / ms * 1000 }')"
}

# load SCRIPT SECONDS [URL]: drives the server with wrk; prints its RESULT line
load() {
    with_cores load_with_wrk "$@"
}

load_with_wrk() {
    local output
    output=$(BENCH_FOLDER="$bench_folder" BENCH_RUN="$RANDOM$RANDOM$RANDOM" \
        timeout "$(($2 + 60))" wrk --threads "$wrk_threads" --connections "$wrk_connections" --duration "${2}s" \
        --timeout 10s --script "$bench_folder/wrk/$1.lua" "${3:-$server_url}") || fail "wrk: $output"
    grep '^RESULT ' <<<"$output" || fail "wrk gave no result: $output"
}

# load_two SCRIPT SECONDS URL URL: half of the connections each, at the same time; one RESULT line for both, with the
# latency of the slower one
load_two() {
    with_cores load_with_two "$@"
}

load_with_two() {
    local first="$work_folder/load-first.txt" second="$work_folder/load-second.txt" load_pid
    local wrk_connections=$((wrk_connections / 2))
    load_with_wrk "$1" "$2" "$3" >"$first" &
    load_pid=$!
    load_with_wrk "$1" "$2" "$4" >"$second"
    wait "$load_pid"
    paste -d ' ' "$first" "$second" | awk '{
        for (i = 1; i <= NF; i++) {
            if (split($i, pair, "=") == 2) {
                sums = pair[1] ~ /^(accepted|refused|failed)$/
                if (!(pair[1] in value)) names[++count] = pair[1]
                value[pair[1]] = sums ? value[pair[1]] + pair[2] : pair[2] > value[pair[1]] + 0 ? pair[2] : value[pair[1]]
            }
        }
        printf "RESULT"
        for (i = 1; i <= count; i++) printf " %s=%s", names[i], value[names[i]]
        printf "\n"
    }'
}

# The middle one of the numbers on standard input.
median() {
    sort --general-numeric-sort | awk '{ number[NR] = $1 } END { print NR ? number[int((NR + 1) / 2)] : "-" }'
}
