# shellcheck shell=bash
# The cases of bench/run. Each is a function that makes one measurement on a database of its own and prints what it
# found, "RESULT name=value ..." (growth: several). Its argument is the point that is measured, where a case has more
# than one. What does not work ends the case.

ENDLESS=1000000000000 # stock that no run can sell

# ---- Servers ----

# measure PREPARE LOAD...: a new database and server, and what LOAD says of it
measure() {
    database_new
    "$1"
    "${@:2}"
    server_stop
    database_drop
}

one_sku() {
    server_start "$database"
    product_create bench-0 "$ENDLESS"
}

many_skus() {
    awk -v stock="$ENDLESS" 'BEGIN {
        print "sku,title,price,currency,stock_quantity"
        for (i = 0; i < 10000; i++) printf "bench-%d,Bench %d,19.99,EUR,%s\n", i, i, stock
    }' >"$work_folder/catalogue.csv"
    "$holdfast" import "$work_folder/catalogue.csv" --database "$database" >/dev/null
    server_start "$database"
}

# ---- Orders ----

case_hot() { # CONNECTIONS
    BENCH_KEYS=1 wrk_connections=$1 measure one_sku load orders "$seconds"
}

case_hot_without_keys() {
    measure one_sku load orders "$seconds"
}

case_spread() {
    BENCH_KEYS=1 BENCH_SKUS=10000 measure many_skus load orders "$seconds"
}

no_stock() {
    server_start "$database"
    product_create bench-0 0
    sleep 1
}

load_and_count_bytes() {
    local before line
    before=$(written_bytes)
    line=$(BENCH_KEYS=1 load orders "$seconds")
    echo "$line written_bytes=$(($(written_bytes) - before))"
}

case_sold_out() {
    measure no_stock load_and_count_bytes
}

# Few connections: 256 batches at once would be 128,000 orders, more than the queue takes (--queue-max).
case_batch() {
    wrk_connections=16 measure one_sku load batch "$seconds"
}

# Orders come when they come, whatever became of those before: so many a second, by open_loop.c.
case_open_loop() { # RATE
    program open_loop
    measure one_sku load_at_rate "$1"
}

load_at_rate() { # RATE
    with_cores "$work_folder/open_loop" "${server_url##*:}" "$1" "$seconds" "$wrk_connections"
}

# program NAME: compiles it, once
program() {
    [ -x "$work_folder/$1" ] ||
        cc -std=c17 -D_GNU_SOURCE -O2 -o "$work_folder/$1" "$bench_folder/$1.c" -lm || fail "$1.c does not compile"
}

# ---- One transaction an order ----

baseline_new() { # WAY STOCK
    schema_new
    psql "${psql_options[@]}" --file "$bench_folder/baseline/schema.sql" "$database"
    sql "UPDATE stock_levels SET stock_quantity = $2"
    case $1 in
        racy_*) sql "ALTER TABLE stock_levels DROP CONSTRAINT stock_levels_quantities" ;; # who writes so has none
    esac
    sql "CHECKPOINT"
}

# baseline_run WAY CLIENTS SECONDS: counts the orders that there are in the end, and what the shop thinks it sold. The
# time is pgbench's own, without that for connecting.
baseline_run() {
    local report="$work_folder/pgbench.txt" attempts took
    timeout "$(($3 + 60))" pgbench --no-vacuum --protocol prepared --file "$bench_folder/baseline/$1.sql" \
        --client "$2" --time "$3" "$database" >"$report" 2>&1 || fail "pgbench: $(cat "$report")"
    ! grep -q 'aborted' "$report" || fail "pgbench: $(cat "$report")"
    attempts=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$report")
    took=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$report" |
        awk -v attempts="$attempts" -v seconds="$3" '{ printf "%.3f", ($1 > 0 ? attempts / $1 : seconds) }')
    echo "RESULT accepted=$(sql "SELECT count(*) FROM orders") seconds=$took" \
        "reserved=$(sql "SELECT reserved_quantity FROM stock_levels") attempts=$attempts"
}

case_baseline() { # WAY:CLIENTS
    baseline_new "${1%:*}" "$ENDLESS"
    baseline_run "${1%:*}" "${1#*:}" "$seconds"
    database_drop
}

# The same sale, of less than customers want: how many units were sold in the end?
RACE_STOCK=1000
RACE_CLIENTS=64
RACE_SECONDS=3

case_race() { # WAY
    if [ "$1" = holdfast ]; then
        measure little_stock race_through_holdfast
        return
    fi
    baseline_new "$1" "$RACE_STOCK"
    echo "$(baseline_run "$1" "$RACE_CLIENTS" "$RACE_SECONDS") stock=$RACE_STOCK"
    database_drop
}

little_stock() {
    server_start "$database"
    product_create bench-0 "$RACE_STOCK"
}

race_through_holdfast() {
    local line reserved
    line=$(BENCH_KEYS=1 wrk_connections=$RACE_CLIENTS load orders "$RACE_SECONDS")
    reserved=$(curl --silent --show-error --fail "$server_url/v1/stock/bench-0" |
        sed -n 's/.*"reserved_quantity":\([0-9]*\).*/\1/p')
    echo "$line reserved=$reserved stock=$RACE_STOCK"
    "$holdfast" audit --database "$database" >&2 || fail "an invariant does not hold"
}

# ---- Several servers, a longer way ----

# The same two load generators at one server, or at two on the same database.
case_two_servers() { # 1|2
    local first_url
    database_new
    one_sku
    first_url=$server_url
    [ "$1" = 1 ] || server_start "$database"
    BENCH_KEYS=1 load_two orders "$seconds" "$first_url" "$server_url"
    server_stop
    database_drop
}

proxy_pid=
delayed_sku() {
    local address=${cluster_uri#*@} port_file="$work_folder/delay_proxy.port"
    : >"$port_file"
    "$work_folder/delay_proxy" 0 "${address%%/*}" 1000 >"$port_file" &
    proxy_pid=$!
    until [ -s "$port_file" ]; do
        kill -0 "$proxy_pid" 2>/dev/null || fail "the proxy does not run"
        sleep 0.05
    done
    server_start "${database/@127.0.0.1:*\//@127.0.0.1:$(cat "$port_file")/}"
    product_create bench-0 "$ENDLESS"
}

proxy_stop() {
    [ -z "$proxy_pid" ] || kill "$proxy_pid" 2>/dev/null || true
    proxy_pid=
}

# 1 ms more to the database and back.
case_delayed() {
    program delay_proxy
    BENCH_KEYS=1 wrk_connections=1000 measure delayed_sku load orders "$seconds"
    proxy_stop
}

# ---- Timeouts ----

# All holds fall due at one instant: the server is stopped (SIGSTOP) over the second in which their deadlines lie. Then
# it goes on, with new orders at once. What it did when is read from its own events.
case_due_at_once() {
    local due_at started line
    database_new
    one_sku
    due_at=$(($(date +%s) + 7 + due_holds / 15000))
    timeout 300 "$bench_folder/fill.mjs" --url "$server_url" --orders "$due_holds" --due-at "$due_at" >&2
    [ "$(date +%s)" -lt "$((due_at - 3))" ] || fail "filling took too long: the first holds are nearly due"
    sleep "$((due_at - $(date +%s) - 3))"
    kill -STOP "${server_pids[0]}"
    [ "$(date +%s)" -lt "$((due_at - 1))" ] || fail "the server was stopped too late: the first holds are due already"
    sleep "$((due_at + 2 - $(date +%s)))"
    started=$(date +%s%3N)
    kill -CONT "${server_pids[0]}"
    line=$(BENCH_KEYS=1 load orders 5)
    while [ "$(metric 'holdfast_orders_total{outcome="expired"}')" -lt "$due_holds" ]; do
        [ "$(($(date +%s%3N) - started))" -lt 60000 ] || fail "60 seconds on, not all holds are released"
        sleep 0.5
    done
    echo "$line holds=$due_holds $(timeout 300 "$bench_folder/timeline.mjs" --url "$server_url" --since-ms "$started" \
        --after "$due_holds")"
    server_stop
    database_drop
}

case_idle_lateness() {
    measure one_sku see_lateness
}

see_lateness() {
    timeout 300 "$bench_folder/lateness.mjs" --url "$server_url" --orders "$idle_orders"
}

# ---- A database that grows ----

# The runs make it grow, too: each says how many orders there were when it began.
case_growth() {
    local orders=0 size line bytes
    database_new
    server_start "$database" --max-hold 604800
    product_create bench-0 "$ENDLESS"
    for size in $growth_sizes; do
        if [ "$size" -gt "$orders" ]; then
            timeout 1200 "$bench_folder/fill.mjs" --url "$server_url" --orders "$((size - orders))" \
                --hold-seconds 604800 >&2
            database_settle
        fi
        for _ in $(seq "$rounds"); do
            orders=$(metric 'holdfast_orders_total{outcome="placed"}')
            bytes=$(database_bytes)
            line=$(BENCH_KEYS=1 load orders "$growth_seconds")
            echo "$line size=$size orders=$orders database_bytes=$bytes resident_mib=$(resident_mib)"
        done
        orders=$(metric 'holdfast_orders_total{outcome="placed"}')
    done
    server_stop
    database_drop
}

# ---- The machine ----

case_machine() {
    "$bench_folder/machine.mjs" --probe "$work_folder"
}

# Whatever became of the case.
case_leave() {
    proxy_stop
    server_stop
    [ -z "$database" ] || database_drop || true
}
