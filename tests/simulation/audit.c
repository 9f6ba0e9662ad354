/* What is stored, against the model: the program's own audit (I1 to I11), and every row that the reads give. */

#include "world.h"

#include <string.h>

#define ORDERS_PER_COMMIT 30 /* both take a like share of every run, however many orders there are */
#define SQLITE_PRICE 10      /* and there an order costs so much more */
#define ROWS_READ 200        /* a page */

struct audit {
    const struct store_ops *ops;
    struct reader *reader;
    struct arena *arena;
    int64_t sold[MODEL_SKUS_MAX]; /* units in the lines of stored orders that are paid */
};

static void must_read(bool ok, const struct fault *fault)
{
    if (!ok) {
        sim_violation("read", "what is committed cannot be read: %s", fault->detail);
    }
}

/* ---- The program's own ---- */

static void audit_progress(void *context, const char *check, int number, int total)
{
    (void)context;
    (void)check;
    (void)number;
    (void)total;
}

static void audit_count(void *context, const char *what, int64_t count)
{
    (void)context;
    (void)what;
    (void)count;
}

static void audit_violation(void *context, const char *invariant, const char *row, int64_t rows)
{
    (void)context;
    (void)rows;
    sim_violation(invariant, "the audit finds: %s", row);
}

static void audit_overdue(void *context, int64_t drafts, int64_t late_ms)
{
    (void)context;
    (void)drafts;
    (void)late_ms;
}

static void run_audit(const struct audit *audit)
{
    const struct audit_sink sink = {.progress = audit_progress,
                                    .count = audit_count,
                                    .violation = audit_violation,
                                    .overdue = audit_overdue,
                                    .late_ms_max = -1};
    struct fault fault;
    world->stats.audits++;
    must_read(audit->ops->audit(audit->reader, &sink, &fault), &fault);
}

/* ---- Orders ---- */

static void check_order(const struct order *order)
{
    const struct model_order *expected = model_order(world->model, &order->id);
    world->stats.read_back++;
    if (expected == NULL) {
        sim_violation("stored", "there is an order in the database that nobody placed");
    }
    const char *what = model_order_differs(world->model, expected, order);
    if (what != NULL) {
        sim_violation("stored",
                      "order %" G_GINT64_FORMAT ", its %s: it is stored as %s of %.*s until %" G_GINT64_FORMAT
                      " with %zu payments; the model has it %s of %s until %" G_GINT64_FORMAT " with %u",
                      expected->number, what, order_status_name(order->status), (int)order->customer_id.length,
                      order->customer_id.bytes, order->expires_at_ms, order->payment_count,
                      order_status_name(expected->status), expected->customer_id, expected->expires_at_ms,
                      expected->payments->len);
    }
}

static void read_order(const struct audit *audit, const struct uuid *id)
{
    struct order *order;
    struct fault fault;
    must_read(audit->ops->read_order(audit->reader, audit->arena, id, &order, &fault), &fault);
    if (order == NULL) {
        sim_violation("stored", "order %" G_GINT64_FORMAT " is not in the database",
                      model_order(world->model, id)->number);
    }
    check_order(order);
}

static void read_orders(struct audit *audit)
{
    const struct order_filter any = {.customer_id = TEXT_ABSENT, .sku = TEXT_ABSENT};
    struct page page = {.limit = ROWS_READ};
    size_t sum = 0;
    for (bool more = true; more;) {
        struct order **orders;
        size_t count;
        struct fault fault;
        must_read(audit->ops->read_orders(audit->reader, audit->arena, &any, &page, &orders, &count, &more, &fault),
                  &fault);
        for (size_t i = 0; i < count; i++) {
            check_order(orders[i]);
            for (size_t j = 0; orders[i]->status == ORDER_PAID && j < orders[i]->line_count; j++) {
                const struct order_line *line = &orders[i]->lines[j];
                audit->sold[model_sku_index(world->model, line->variant->sku)] += line->quantity;
            }
        }
        sum += count;
        page.has_after = count > 0;
        page.after_id = count > 0 ? orders[count - 1]->id : page.after_id;
    }
    if (sum != g_hash_table_size(world->model->orders)) {
        sim_violation("stored", "the list of orders has %zu of %u", sum, g_hash_table_size(world->model->orders));
    }
}

static void read_reservations(const struct audit *audit)
{
    const struct reservation_filter any = {.sku = TEXT_ABSENT};
    struct page page = {.limit = ROWS_READ};
    for (bool more = true; more;) {
        struct reservation_row *rows;
        size_t count;
        struct fault fault;
        must_read(audit->ops->read_reservations(audit->reader, audit->arena, &any, &page, &rows, &count, &more, &fault),
                  &fault);
        for (size_t i = 0; i < count; i++) {
            const struct reservation_row *row = &rows[i];
            const struct model_order *order = model_order(world->model, &row->order_id);
            if (order == NULL || row->line > order->line_count ||
                model_sku_index(world->model, row->sku) != order->lines[row->line - 1].sku ||
                row->quantity != order->lines[row->line - 1].quantity ||
                row->status != order_reservation_status(order->status) || row->expires_at_ms != order->expires_at_ms) {
                sim_violation("stored",
                              "line %zu of order %" G_GINT64_FORMAT " is held otherwise than the model has it",
                              row->line, order == NULL ? 0 : order->number);
            }
        }
        page.has_after = count > 0;
        page.after_id = count > 0 ? rows[count - 1].order_id : page.after_id;
        page.after_line = count > 0 ? rows[count - 1].line : 0;
    }
}

/* ---- Stock ---- */

/* Units that ever came, less those that went otherwise than by a sale, are what clients were told: the model's. What was
 * sold and what is left are the database's. */
static void check_never_sold_twice(const struct audit *audit, int index, const struct variant *variant)
{
    const struct model_sku *sku = &world->model->skus[index];
    if (audit->sold[index] + variant->stock.stock_quantity != sku->supplied) {
        sim_violation("never sold twice",
                      "%s: %" G_GINT64_FORMAT " sold and %" G_GINT64_FORMAT " left of %" G_GINT64_FORMAT, sku->name,
                      audit->sold[index], variant->stock.stock_quantity, sku->supplied);
    }
}

/* Every unit in the ledger came by what a client was told, or went with an order that is paid. */
static void check_ledger(const struct audit *audit, int index)
{
    const struct model_sku *sku = &world->model->skus[index];
    struct page page = {.limit = ROWS_READ};
    int64_t supplied = 0;
    int64_t sold = 0;
    for (bool more = true; more;) {
        struct movement_row *rows;
        size_t count;
        bool found;
        struct fault fault;
        must_read(audit->ops->read_movements(audit->reader, audit->arena, text_from_c(sku->name), &page, &rows, &count,
                                             &more, &found, &fault),
                  &fault);
        for (size_t i = 0; i < count; i++) {
            const struct movement *movement = &rows[i].movement;
            bool is_sale = movement->reason == MOVEMENT_SALE;
            const struct model_order *order =
                movement->has_order ? model_order(world->model, &movement->order_id) : NULL;
            *(is_sale ? &sold : &supplied) += is_sale ? -movement->delta : movement->delta;
            if (supplied - sold != movement->stock_quantity || is_sale != movement->has_order ||
                (is_sale && (order == NULL || order->status != ORDER_PAID))) {
                sim_violation("stored", "the ledger of %s is wrong at %" G_GINT64_FORMAT, sku->name, rows[i].sequence);
            }
        }
        page.has_after = count > 0;
        page.after_number = count > 0 ? rows[count - 1].sequence : page.after_number;
    }
    if (supplied != sku->supplied || sold != audit->sold[index]) {
        sim_violation("never sold twice",
                      "%s: the ledger has %" G_GINT64_FORMAT " supplied and %" G_GINT64_FORMAT
                      " sold, of %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT,
                      sku->name, supplied, sold, sku->supplied, audit->sold[index]);
    }
}

static void read_stock(const struct audit *audit)
{
    for (int i = 0; i < MODEL_SKUS_MAX; i++) {
        const struct model_sku *sku = &world->model->skus[i];
        struct variant *variant;
        struct fault fault;
        if (!sku->exists) {
            continue;
        }
        must_read(audit->ops->read_variant(audit->reader, audit->arena, text_from_c(sku->name), &variant, &fault),
                  &fault);
        if (variant == NULL) {
            sim_violation("stored", "%s is not in the database", sku->name);
        }
        check_never_sold_twice(audit, i, variant);
        check_ledger(audit, i);
        if (variant->stock.stock_quantity != sku->stock_quantity ||
            variant->stock.reserved_quantity != sku->reserved_quantity || variant->price.amount != sku->price ||
            variant->max_per_customer != sku->max_per_customer ||
            variant->low_stock_threshold != sku->low_stock_threshold) {
            sim_violation("stored", "%s is stored otherwise than the model has it", sku->name);
        }
    }
}

/* ---- Events, endpoints and jobs ---- */

static void check_event(const struct event_row *row, int64_t sequence)
{
    const struct model_event *expected =
        sequence > world->model->events->len
            ? NULL
            : &g_array_index(world->model->events, struct model_event, (guint)sequence - 1);
    if (expected == NULL || row->sequence != sequence || !uuid_equal(row->id, expected->id) ||
        row->type != expected->type || row->created_at_ms != expected->created_at_ms ||
        !text_equal_c(row->data, expected->data)) {
        sim_violation(
            "I11", "event %" G_GINT64_FORMAT " is stored as %" G_GINT64_FORMAT ", %s %.*s; the model has %s %s",
            sequence, row->sequence, event_type_name(row->type), (int)row->data.length, row->data.bytes,
            expected == NULL ? "none" : event_type_name(expected->type), expected == NULL ? "" : expected->data);
    }
}

/* Those behind `after`, to the last. */
static void read_events(const struct audit *audit, int64_t after)
{
    const struct event_filter any = {.is_complete = true};
    struct page page = {.limit = ROWS_READ, .has_after = true, .after_number = after};
    for (bool more = true; more;) {
        struct event_row *rows;
        size_t count;
        bool found;
        struct fault fault;
        must_read(
            audit->ops->read_events(audit->reader, audit->arena, &any, &page, &rows, &count, &more, &found, &fault),
            &fault);
        for (size_t i = 0; i < count; i++) {
            check_event(&rows[i], ++page.after_number);
        }
    }
    if (page.after_number != world->model->events->len) {
        sim_violation("I11", "the log of events ends with %" G_GINT64_FORMAT " of %u", page.after_number,
                      world->model->events->len);
    }
    world->events_read = page.after_number;
}

/* The history of one order: its events, and no others. */
static void read_history(const struct audit *audit, const struct uuid *order_id)
{
    const struct event_filter filter = {.has_order = true, .order_id = *order_id, .is_complete = true};
    const struct page page = {.limit = ROWS_READ};
    struct event_row *rows;
    size_t count;
    size_t at = 0;
    size_t own = 0;
    bool more;
    bool found;
    struct fault fault;
    must_read(
        audit->ops->read_events(audit->reader, audit->arena, &filter, &page, &rows, &count, &more, &found, &fault),
        &fault);
    for (guint i = 0; i < world->model->events->len; i++) {
        if (uuid_equal(g_array_index(world->model->events, struct model_event, i).order_id, *order_id)) {
            own++;
            at += at < count && rows[at].sequence == i + 1;
        }
    }
    if (at != count || own != count || !found) {
        sim_violation("I11", "the history of order %" G_GINT64_FORMAT " has %zu events, the model %zu, in common %zu",
                      model_order(world->model, order_id)->number, count, own, at);
    }
}

static void read_last_sequence(const struct audit *audit)
{
    int64_t last_sequence;
    struct fault fault;
    must_read(audit->ops->read_last_sequence(audit->reader, &last_sequence, &fault), &fault);
    if (last_sequence != world->model->events->len) {
        sim_violation("I11", "the newest event is %" G_GINT64_FORMAT " of %u", last_sequence,
                      world->model->events->len);
    }
}

static void read_endpoints(const struct audit *audit)
{
    struct webhook_endpoint **endpoints;
    size_t count;
    struct fault fault;
    must_read(audit->ops->read_endpoints(audit->reader, audit->arena, &endpoints, &count, &fault), &fault);
    const char *what = model_endpoints_differ(world->model->endpoints, endpoints, count);
    if (what != NULL) {
        sim_violation("stored", "an endpoint is stored otherwise than the model has it: its %s", what);
    }
}

/* When one runs, and whose it is for how long, a store may bring back after a clock that was ahead. */
static void check_job(const struct job *job)
{
    const struct model_job *expected = g_hash_table_lookup(world->model->jobs, &job->id);
    if (expected == NULL || job->state != expected->state || job->claim != expected->claim ||
        job->attempt != expected->attempt || job->max_attempts != expected->max_attempts ||
        job->event_sequence != expected->event_sequence) {
        sim_violation("stored", "a job is stored as %s, attempt %" G_GINT64_FORMAT "; the model has it %s",
                      job_state_name(job->state), job->attempt,
                      expected == NULL ? "not at all" : job_state_name(expected->state));
    }
}

static void read_jobs(const struct audit *audit)
{
    const struct job_filter any = {.queue = TEXT_ABSENT, .kind = TEXT_LITERAL("webhook_delivery"), .key = TEXT_ABSENT};
    struct page page = {.limit = ROWS_READ};
    guint open = 0;
    for (bool more = true; more;) {
        struct job **jobs;
        size_t count;
        struct fault fault;
        must_read(audit->ops->read_jobs(audit->reader, audit->arena, &any, &page, &jobs, &count, &more, &fault),
                  &fault);
        for (size_t i = 0; i < count; i++) {
            check_job(jobs[i]);
            open += !job_state_is_finished(jobs[i]->state);
        }
        page.has_after = count > 0;
        page.after_id = count > 0 ? jobs[count - 1]->id : page.after_id;
    }
    if (open != g_hash_table_size(world->model->open_deliveries)) {
        sim_violation("stored", "%u deliveries are under way, the model has %u", open,
                      g_hash_table_size(world->model->open_deliveries));
    }
}

/* ---- How often ---- */

static struct audit audit_begin(const struct server *server)
{
    return (struct audit){.ops = world->inner, .reader = server->auditor, .arena = arena_new(65536)};
}

static void read_changed(const struct audit *audit)
{
    for (guint i = 0; i < world->model->changed->len; i++) {
        read_order(audit, &g_array_index(world->model->changed, struct uuid, i));
    }
    g_array_set_size(world->model->changed, 0);
}

static void read_all(struct audit *audit)
{
    read_orders(audit);
    read_reservations(audit);
    read_stock(audit);
    read_endpoints(audit);
    world->read_back_at = world->model->commits;
}

void audit_commit(struct server *server)
{
    struct audit audit = audit_begin(server);
    int64_t orders = world->model->order_count * (world->options.is_sqlite ? SQLITE_PRICE : 1);
    read_changed(&audit);
    read_events(&audit, world->events_read);
    read_last_sequence(&audit);
    if ((world->model->commits - world->read_back_at) * ORDERS_PER_COMMIT >= orders) {
        read_all(&audit);
    }
    if ((world->model->commits - world->audited_at) * ORDERS_PER_COMMIT >= orders) {
        world->audited_at = world->model->commits;
        run_audit(&audit);
    }
    arena_free(audit.arena);
}

void audit_end(struct server *server)
{
    struct audit audit = audit_begin(server);
    GHashTableIter iterator;
    gpointer id;
    read_changed(&audit);
    read_events(&audit, 0);
    read_last_sequence(&audit);
    read_jobs(&audit);
    g_hash_table_iter_init(&iterator, world->model->orders);
    while (g_hash_table_iter_next(&iterator, &id, NULL)) {
        read_order(&audit, id);
        read_history(&audit, id);
    }
    read_all(&audit);
    run_audit(&audit);
    arena_free(audit.arena);
}
