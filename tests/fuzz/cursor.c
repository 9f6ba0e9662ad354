/* Cursors of lists: what a client sends back, and what it may have made of it.
 *
 * The input: the list (1 byte), a hash of filters (8), a position (16, 8, 4), which byte of the cursor is changed (1) and
 * how (1), and the text that a client sends. */

#include "fuzz.h"

#include "api/cursor.h"

static struct arena *arena;

static bool is_same_place(const struct page *a, const struct page *b)
{
    return uuid_equal(a->after_id, b->after_id) && a->after_number == b->after_number && a->after_line == b->after_line;
}

/* There is one text for one place, and it is nobody else's. */
static void check_accepted(struct text cursor, enum cursor_list list, uint64_t filter_hash, const struct page *place)
{
    struct page other = {0};
    assert(place->has_after && place->after_number >= 0);
    assert(text_equal(cursor_encode(list, filter_hash, place, arena), cursor));
    assert(!cursor_decode(cursor, list + 1, filter_hash, &other));
    assert(!cursor_decode(cursor, list, filter_hash + 1, &other));
    assert(!other.has_after);
}

static void check_tampered(struct text cursor, size_t at, char change, enum cursor_list list, uint64_t filter_hash,
                           const struct page *place)
{
    struct text copy = arena_text(arena, cursor);
    char *bytes = arena_alloc(arena, cursor.length);
    memcpy(bytes, copy.bytes, cursor.length);
    bytes[at % cursor.length] = (char)(bytes[at % cursor.length] ^ change);
    struct text tampered = {bytes, cursor.length};
    struct page read = {0};
    if (change != 0 && cursor_decode(tampered, list, filter_hash, &read)) {
        assert(!is_same_place(place, &read));
        check_accepted(tampered, list, filter_hash, &read);
    }
    assert(!cursor_decode((struct text){bytes, cursor.length - 1}, list, filter_hash, &read));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    enum cursor_list list = (enum cursor_list)(fuzz_take(&input, 1) % (CURSOR_DELIVERIES + 1));
    uint64_t filter_hash = fuzz_take(&input, 8);
    struct page place = {.has_after = true};
    for (size_t i = 0; i < sizeof(place.after_id.bytes); i++) {
        place.after_id.bytes[i] = (uint8_t)fuzz_take(&input, 1);
    }
    place.after_number = (int64_t)(fuzz_take(&input, 8) & INT64_MAX);
    place.after_line = (size_t)fuzz_take(&input, 4);
    size_t changed_at = (size_t)fuzz_take(&input, 1);
    char change = (char)fuzz_take(&input, 1);

    arena = arena_new(4096);
    struct page read = {0};
    struct text cursor = cursor_encode(list, filter_hash, &place, arena);
    assert(cursor_decode(cursor, list, filter_hash, &read) && is_same_place(&read, &place));
    check_accepted(cursor, list, filter_hash, &read);
    check_tampered(cursor, changed_at, change, list, filter_hash, &place);

    struct text sent = fuzz_rest(&input);
    struct page untouched = {.limit = 7};
    read = untouched;
    if (cursor_decode(sent, list, filter_hash, &read)) {
        check_accepted(sent, list, filter_hash, &read);
    } else {
        assert(!read.has_after && read.limit == untouched.limit);
    }
    arena_free(arena);
    return 0;
}
