#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/rush.h"

#define OPEN_FILES_BESIDES 64

#define FIELD(name) offsetof(struct rush_settings, name)

static const struct option OPTIONS[] = {
    {.name = "url",
     .type = OPTION_TEXT,
     .offset = FIELD(url),
     .placeholder = "URL",
     .default_value = "http://127.0.0.1:8080",
     .help = "the running server"},
    {.name = "key",
     .type = OPTION_TEXT,
     .offset = FIELD(key),
     .placeholder = "hf_...",
     .help = "an API key: scope write; admin where the rush makes\nits own product"},
    {.name = "sku",
     .type = OPTION_TEXT,
     .offset = FIELD(sku),
     .placeholder = "SKU",
     .help = "what everybody wants; without it the rush makes a\nproduct of its own. Do not restock it meanwhile"},
    {.name = "stock",
     .type = OPTION_NUMBER,
     .offset = FIELD(stock),
     .placeholder = "UNITS",
     .default_value = "50",
     .min = 0,
     .max = INT64_C(1000000000),
     .help = "of its own product"},
    {.name = "customers",
     .type = OPTION_NUMBER,
     .offset = FIELD(customers),
     .placeholder = "N",
     .default_value = "100",
     .min = 1,
     .max = 10000,
     .help = "all at once, each on a connection of its own"},
    {.name = "orders-per-customer",
     .type = OPTION_NUMBER,
     .offset = FIELD(orders_per_customer),
     .placeholder = "N",
     .default_value = "1",
     .min = 1,
     .max = 100,
     .help = "one after the other"},
    {.name = "quantity",
     .type = OPTION_NUMBER,
     .offset = FIELD(quantity),
     .placeholder = "UNITS",
     .default_value = "1",
     .min = 1,
     .max = 1000000,
     .help = "in each order"},
    {.name = "pay-rate",
     .type = OPTION_SHARE,
     .offset = FIELD(pay_rate),
     .placeholder = "SHARE",
     .default_value = "0.7",
     .help = "of the orders placed; the others are left to expire"},
    {.name = "hold-seconds",
     .type = OPTION_NUMBER,
     .offset = FIELD(hold_seconds),
     .placeholder = "SECONDS",
     .default_value = "5",
     .min = 1,
     .max = 604800,
     .help = "how long an order holds its stock; up to 60 the rush\nwaits for the unpaid ones to expire"},
    {.name = "retry-seconds",
     .type = OPTION_NUMBER,
     .offset = FIELD(retry_seconds),
     .placeholder = "SECONDS",
     .default_value = "10",
     .min = 0,
     .max = 3600,
     .help = "how long a request that got no answer is sent again,\nwith the same idempotency key"},
};

const struct command_usage RUSH_USAGE = {
    .name = "rush",
    .about = "Drives a running server with many customers at once, who all want the same SKU: each places an order\n"
             "under an idempotency key of its own, some pay, the others let their hold run out. Then every order that\n"
             "the server confirmed is asked for again. Exit status 1: something was oversold or lost, or the server\n"
             "did not answer. A lost answer is not an error: the customer asks again with the same key.\n"
             "orders/s counts the orders placed and refused, from the first request to the last answer.",
    .examples = "  holdfast rush                                        100 customers for 50 units\n"
                "  holdfast rush --customers 5000 --stock 1000 --pay-rate 0.9\n"
                "  holdfast rush --sku tee-m --quantity 2 --hold-seconds 900\n"
                "  HOLDFAST_KEY=hf_... holdfast rush --url https://shop.example",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
};

/* ---- Setting out ---- */

static bool raise_open_files(int64_t customers)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)customers + OPEN_FILES_BESIDES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return true;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (limit.rlim_cur < wanted || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        console_error("%" PRId64 " customers need %llu open files and this shell allows %llu: raise it with ulimit -n",
                      customers, (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
        return false;
    }
    return true;
}

static void name_run(struct rush *rush)
{
    struct uuid_source ids;
    char id[UUID_TEXT_LENGTH + 1];
    uuid_source_init(&ids, NULL, NULL);
    uuid_format(uuid_source_next(&ids, clock_unix_ms()), id);
    snprintf(rush->run, sizeof(rush->run), "%s", id + UUID_TEXT_LENGTH - 12);
}

static bool make_product(struct rush *rush)
{
    struct buffer body;
    struct json_writer writer;
    struct http_call call;
    buffer_init(&body, 4096);
    json_writer_init(&writer, &body);
    json_object_begin(&writer);
    json_c_field(&writer, "title", "Rush");
    json_c_field(&writer, "sku", rush->sku);
    json_key(&writer, "price");
    json_object_begin(&writer);
    json_int64_field(&writer, "amount", 1999);
    json_c_field(&writer, "currency", "EUR");
    json_object_end(&writer);
    json_int64_field(&writer, "stock_quantity", rush->settings->stock);
    json_object_end(&writer);
    http_call_init(rush->caller, &call);
    call.path = "/v1/products";
    call.idempotency_key = rush->sku;
    call.body = buffer_text(&body);
    http_call_send_and_wait(&call);
    bool ok = call.status == 201;
    if (!ok) {
        rush_note_error(rush, "making a product", &call);
    }
    http_call_done(&call);
    buffer_done(&body);
    uv_run(rush->loop, UV_RUN_NOWAIT);
    return ok;
}

static bool choose_sku(struct rush *rush)
{
    char own_sku[sizeof(rush->run) + 8];
    snprintf(own_sku, sizeof(own_sku), "rush-%s", rush->run);
    rush->owns_sku = rush->settings->sku == NULL;
    rush->sku = strdup(rush->owns_sku ? own_sku : rush->settings->sku);
    rush->sku_path = curl_easy_escape(NULL, rush->sku, 0);
    if (rush->owns_sku && !make_product(rush)) {
        return false;
    }
    return rush_read_stock(rush, &rush->stock_before);
}

/* ---- The report ---- */

static void print_count(const char *name, int64_t count)
{
    printf("  %-18s%12" PRId64 "\n", name, count);
}

static void print_milliseconds(const char *name, int64_t us)
{
    printf("  %-18s%12.1f ms\n", name, (double)us / 1000);
}

static int report(const struct rush *rush, const struct rush_tally *tally)
{
    printf("%" PRId64 " customers for %" PRId64 " units of %s\n\n", rush->settings->customers,
           rush->stock_before.stock_quantity - rush->stock_before.reserved_quantity, rush->sku);
    print_count("placed", (int64_t)rush->placed);
    print_count("refused", (int64_t)rush->refused);
    print_count("paid", (int64_t)rush->paid);
    if (rush->payments_refused > 0) {
        print_count("paid too late", (int64_t)rush->payments_refused);
    }
    print_count("expired", (int64_t)tally->expired);
    print_count("still held", (int64_t)tally->held);
    print_count("sent again", (int64_t)rush->retries);
    print_count("errors", (int64_t)rush->errors);
    if (tally->unchecked > 0) {
        print_count("not checked", (int64_t)tally->unchecked);
    }
    print_count("oversold", tally->oversold);
    print_count("lost", (int64_t)tally->lost);
    if (tally->unexplained > 0) {
        print_count("units unexplained", tally->unexplained);
    }
    print_milliseconds("latency p50", tally->latency_p50_us);
    print_milliseconds("latency p99", tally->latency_p99_us);
    print_milliseconds("latency max", tally->latency_max_us);
    printf("  %-18s%12.0f\n\n", "orders/s", tally->orders_per_second);
    bool is_good = rush_tally_is_good(rush, tally);
    if (is_good) {
        printf("Nothing was oversold and nothing was lost.\n");
    } else {
        printf("FAILED%s%s\n", rush->errors > 0 ? ": first error: " : "", rush->first_problem);
    }
    return console_flush() && is_good ? EXIT_DONE : EXIT_FAILED;
}

/* ---- The command ---- */

static int run(struct rush *rush)
{
    if (!choose_sku(rush)) {
        console_error("%s: %s (is the server running, and does --key fit?)", rush->settings->url, rush->first_problem);
        return EXIT_FAILED;
    }
    size_t orders_max = (size_t)(rush->settings->customers * rush->settings->orders_per_customer);
    rush->orders = memory_zalloc(orders_max, sizeof(*rush->orders));
    rush->latencies_us = memory_zalloc(orders_max, sizeof(*rush->latencies_us));
    rush_run_customers(rush);
    rush_check_orders(rush);
    struct rush_tally tally;
    rush_tally_make(rush, &tally);
    return report(rush, &tally);
}

int command_rush(int argument_count, char **arguments)
{
    struct rush_settings settings = {0};
    size_t operand_count;
    int exit_status;
    if (!options_read(&RUSH_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    if (!raise_open_files(settings.customers)) {
        return EXIT_FAILED;
    }
    uv_loop_t loop;
    struct rush rush = {.settings = &settings, .loop = &loop};
    struct fault fault = {0};
    uv_loop_init(&loop);
    const struct http_caller_options options = {
        .loop = &loop,
        .url = settings.url,
        .bearer = settings.key,
        .connections_max = (size_t)settings.customers,
        .retry_ms = settings.retry_seconds * 1000,
    };
    if (!http_caller_new(&options, &rush.caller, &fault)) {
        return console_fault(&fault);
    }
    name_run(&rush);
    progress_init(&rush.progress);
    exit_status = run(&rush);
    http_caller_free(rush.caller);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    curl_free(rush.sku_path);
    free(rush.sku);
    free(rush.orders);
    free(rush.latencies_us);
    return exit_status;
}
