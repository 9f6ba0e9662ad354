# shellcheck shell=bash
# Where the cases of bench/run keep their data: a file each on SQLite; on PostgreSQL a schema each in one cluster that
# lives as long as the run.

store=       # sqlite or postgres, of the case that runs
step_number=0 # no two databases of a run have the same name
database=    # for --database, of the case that runs
cluster_uri= # empty: it does not run
psql_options=(--no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1)

# True: it runs.
cluster_start() {
    chmod 755 "$work_folder" # where root runs this, the server is another user
    cluster_uri=$("$bench_folder/../tools/postgres_cluster" start "$work_folder/cluster") &&
        sync # what making it has left to write
}

# So that it has nothing to do while SQLite is measured.
cluster_stop() {
    if [ -n "$cluster_uri" ]; then
        "$bench_folder/../tools/postgres_cluster" stop "$work_folder/cluster" || true
    fi
    cluster_uri=
}

cluster_destroy() {
    "$bench_folder/../tools/postgres_cluster" destroy "$work_folder/cluster"
}

# sql STATEMENT: its value
sql() {
    psql "${psql_options[@]}" --command "$1" "${database:-$cluster_uri}"
}

schema_new() {
    database=
    sql "CREATE SCHEMA bench_$step_number"
    database="$cluster_uri?options=-csearch_path%3Dbench_$step_number"
}

# An empty one, with all that was written before it on the disk.
database_new() {
    if [ "$store" = sqlite ]; then
        database="sqlite:$work_folder/bench_$step_number.db"
        sync
    else
        schema_new
        "$holdfast" migrate --database "$database" >/dev/null
        sql CHECKPOINT
    fi
}

database_drop() {
    if [ "$store" = sqlite ]; then
        rm -f "${database#sqlite:}"*
    else
        sql "SET client_min_messages = warning; DO \$\$ BEGIN EXECUTE 'DROP SCHEMA ' || current_schema() || ' CASCADE'; END \$\$"
    fi
    database=
}

# What filling a database has left to be done must not be the next order's cost.
database_settle() {
    if [ "$store" = postgres ]; then
        sql "VACUUM ANALYZE"
        sql CHECKPOINT
    fi
    sync
    sleep 5
}

database_bytes() {
    if [ "$store" = sqlite ]; then
        stat --format %s "${database#sqlite:}" "${database#sqlite:}-wal" 2>/dev/null |
            awk '{ bytes += $1 } END { printf "%.0f\n", bytes }'
    else
        sql "SELECT sum(pg_total_relation_size(oid)) FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
    fi
}

# A position that moves on with each byte that is written.
written_bytes() {
    if [ "$store" = sqlite ]; then
        database_bytes
    else
        sql "SELECT pg_current_wal_insert_lsn() - '0/0'"
    fi
}
