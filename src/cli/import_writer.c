#include "cli/import_writer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "domain/limits.h"
#include "engine/committer.h"
#include "engine/engine_metrics.h"

#define CHUNK_ROWS 500
#define CHUNKS_UNDER_WAY_MAX 4
#define CHUNK_ARENA_BYTES (256u * 1024)
#define SWEEP_MAX 1000

struct chunk {
    struct command command;
    struct arena *arena;
    struct import_product products[CHUNK_ROWS]; /* each has a row at least */
    size_t product_count;
    size_t row_count;
};

struct import_writer {
    struct import_writer_options options;
    struct engine_metrics metrics;
    struct committer *committer;
    struct chunk *chunk; /* being gathered; NULL: none */
    size_t under_way;
    struct import_totals totals;
    bool is_failed;
    struct fault fault; /* the first one */

    pthread_mutex_t mutex;
    pthread_cond_t completed;
    bool has_completed; /* guarded by mutex: set by the committer's thread */
};

static void on_completed(void *context)
{
    struct import_writer *writer = context;
    pthread_mutex_lock(&writer->mutex);
    writer->has_completed = true;
    pthread_cond_signal(&writer->completed);
    pthread_mutex_unlock(&writer->mutex);
}

bool import_writer_start(const struct import_writer_options *options, struct import_writer **ret_writer,
                         struct fault *fault)
{
    struct import_writer *writer = memory_zalloc(1, sizeof(*writer));
    writer->options = *options;
    engine_metrics_init(&writer->metrics);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->completed, NULL);
    const struct committer_options committer_options = {
        .ops = options->database->ops,
        .store = options->database->store,
        .policy = {.hold_seconds_max = HOLD_SECONDS_MAX_DEFAULT},
        /* A chunk is ended by the product that fills it, which may have many variants. */
        .queue_weight_max = (size_t)CHUNKS_UNDER_WAY_MAX * (CHUNK_ROWS + PRODUCT_VARIANTS_MAX),
        .batch_weight_max = (size_t)CHUNKS_UNDER_WAY_MAX * CHUNK_ROWS,
        .sweep_max = options->may_sweep ? SWEEP_MAX : 0,
        .metrics = &writer->metrics,
        .completed = on_completed,
        .context = writer,
    };
    if (!committer_start(&committer_options, &writer->committer, fault)) {
        import_writer_free(writer);
        return false;
    }
    *ret_writer = writer;
    return true;
}

static void chunk_free(struct chunk *chunk)
{
    if (chunk != NULL) {
        arena_free(chunk->arena);
        free(chunk);
    }
}

static void fail(struct import_writer *writer, enum outcome_code code)
{
    if (!writer->is_failed) {
        writer->is_failed = true;
        fault_set(&writer->fault, FAULT_UNAVAILABLE,
                  "the database did not take the rows (%s); what was written so far is whole, and importing the file "
                  "again goes on from there",
                  outcome_code_name(code));
    }
}

static void take_outcome(struct import_writer *writer, const struct outcome *outcome)
{
    if (outcome->code != OUTCOME_PRODUCTS_IMPORTED) {
        fail(writer, outcome->code);
        return;
    }
    writer->totals.created += (int64_t)outcome->created_count;
    writer->totals.updated += (int64_t)outcome->updated_count;
    writer->totals.unchanged += (int64_t)outcome->unchanged_count;
    writer->totals.refused += (int64_t)outcome->row_count;
    for (size_t i = 0; i < outcome->row_count; i++) {
        writer->options.refused(writer->options.context, outcome->rows[i].row, outcome->rows[i].reason);
    }
}

static void collect_completed(struct import_writer *writer)
{
    struct command *command = committer_take_completed(writer->committer);
    while (command != NULL) {
        struct command *next = command->next;
        take_outcome(writer, &command->outcome);
        committer_release(writer->committer, command);
        chunk_free(command->context);
        writer->under_way--;
        command = next;
    }
}

static void wait_until_under_way(struct import_writer *writer, size_t most)
{
    while (writer->under_way > most) {
        pthread_mutex_lock(&writer->mutex);
        while (!writer->has_completed) {
            pthread_cond_wait(&writer->completed, &writer->mutex);
        }
        writer->has_completed = false;
        pthread_mutex_unlock(&writer->mutex);
        collect_completed(writer);
    }
}

static void submit_chunk(struct import_writer *writer)
{
    struct chunk *chunk = writer->chunk;
    writer->chunk = NULL;
    wait_until_under_way(writer, CHUNKS_UNDER_WAY_MAX - 1);
    if (writer->is_failed) {
        chunk_free(chunk);
        return;
    }
    chunk->command.kind = COMMAND_IMPORT_PRODUCTS;
    chunk->command.input.import_products = (struct import_products){
        .products = chunk->products,
        .product_count = chunk->product_count,
        .check_only = writer->options.check_only,
    };
    chunk->command.context = chunk;
    bool is_taken = committer_submit(writer->committer, &chunk->command);
    assert(is_taken); /* the queue has room for all that are under way */
    writer->under_way++;
}

static void copy_product(struct chunk *chunk, const struct import_product *product)
{
    struct import_variant *variants = arena_array(chunk->arena, product->variant_count, sizeof(*variants));
    for (size_t i = 0; i < product->variant_count; i++) {
        variants[i] = product->variants[i];
        variants[i].variant.sku = arena_text(chunk->arena, variants[i].variant.sku);
        variants[i].variant.title = arena_text(chunk->arena, variants[i].variant.title);
    }
    chunk->products[chunk->product_count++] = (struct import_product){
        .title = arena_text(chunk->arena, product->title),
        .variants = variants,
        .variant_count = product->variant_count,
    };
    chunk->row_count += product->variant_count;
}

bool import_writer_put(struct import_writer *writer, const struct import_product *product)
{
    if (writer->is_failed) {
        return false;
    }
    if (writer->chunk == NULL) {
        writer->chunk = memory_zalloc(1, sizeof(*writer->chunk));
        writer->chunk->arena = arena_new(CHUNK_ARENA_BYTES);
    }
    copy_product(writer->chunk, product);
    if (writer->chunk->row_count >= CHUNK_ROWS) {
        submit_chunk(writer);
    }
    return !writer->is_failed;
}

bool import_writer_finish(struct import_writer *writer, struct import_totals *ret_totals, struct fault *fault)
{
    if (writer->chunk != NULL) {
        submit_chunk(writer);
    }
    wait_until_under_way(writer, 0);
    *ret_totals = writer->totals;
    if (writer->is_failed) {
        *fault = writer->fault;
    }
    return !writer->is_failed;
}

void import_writer_free(struct import_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->committer != NULL) {
        committer_stop(writer->committer);
        collect_completed(writer);
        committer_free(writer->committer);
    }
    chunk_free(writer->chunk);
    pthread_cond_destroy(&writer->completed);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}
