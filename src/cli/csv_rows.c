#include "cli/csv_rows.h"

#include <csv.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

#define BLOCK_BYTES (64u * 1024)
#define REASON_BYTES_MAX 200

struct csv_reader {
    const struct csv_sink *sink;
    struct csv_parser parser;
    struct buffer bytes; /* the row's fields, one behind the other */
    size_t ends[CSV_FIELDS_MAX];
    size_t field_count;
    size_t line;     /* being read */
    bool is_in_row;  /* the row began and has not ended: a quoted field goes over several lines */
    size_t row_line; /* where it began */
    size_t row_bytes;
    bool skips_line; /* the rest of this line belongs to a row that was given up */
    bool is_stopped;
};

static void begin_parser(struct csv_reader *reader)
{
    /* Strict: a lenient reading of a stray quote could swallow half the file into one field. */
    int status = csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI);
    (void)status; /* fails only where its argument is NULL */
}

static void take_field(void *bytes, size_t length, void *context)
{
    struct csv_reader *reader = context;
    if (reader->is_stopped) {
        return;
    }
    if (reader->field_count < CSV_FIELDS_MAX) {
        buffer_append(&reader->bytes, bytes, length);
        reader->ends[reader->field_count] = reader->bytes.length;
    }
    reader->field_count++;
}

static void forget_row(struct csv_reader *reader)
{
    buffer_clear(&reader->bytes);
    reader->field_count = 0;
    reader->row_bytes = 0;
    reader->is_in_row = false;
}

static void take_row(int terminator, void *context)
{
    (void)terminator;
    struct csv_reader *reader = context;
    struct text fields[CSV_FIELDS_MAX];
    if (!reader->is_stopped && reader->field_count > CSV_FIELDS_MAX) {
        reader->sink->bad_row(reader->sink->context, reader->row_line, "the row has more than 1024 columns");
    } else if (!reader->is_stopped) {
        for (size_t i = 0, start = 0; i < reader->field_count; start = reader->ends[i], i++) {
            fields[i] = (struct text){reader->bytes.bytes + start, reader->ends[i] - start};
        }
        const struct csv_row row = {reader->row_line, fields, reader->field_count};
        reader->is_stopped = !reader->sink->row(reader->sink->context, &row);
    }
    forget_row(reader);
}

/* Reports the row as bad and starts afresh at the next line. */
static void give_row_up(struct csv_reader *reader, const char *reason)
{
    char with_lines[REASON_BYTES_MAX];
    snprintf(with_lines, sizeof(with_lines), "%s", reason);
    if (reader->line > reader->row_line) {
        snprintf(with_lines, sizeof(with_lines), "%s (everything up to line %zu is lost with it)", reason,
                 reader->line);
    }
    reader->sink->bad_row(reader->sink->context, reader->row_line, with_lines);
    csv_free(&reader->parser);
    begin_parser(reader);
    forget_row(reader);
    reader->skips_line = true;
}

static bool is_blank(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (memchr(" \t\r\n", bytes[i], 4) == NULL) {
            return false;
        }
    }
    return true;
}

/* A line or, where a block ends within one, a part of it. */
static void read_line_part(struct csv_reader *reader, const char *bytes, size_t length)
{
    if (!reader->skips_line) {
        if (!reader->is_in_row && !is_blank(bytes, length)) {
            reader->is_in_row = true;
            reader->row_line = reader->line;
        }
        reader->row_bytes += length;
        bool is_good = csv_parse(&reader->parser, bytes, length, take_field, take_row, reader) == length;
        if (reader->is_stopped) {
            return; /* lone CRs end rows, too: what is behind them on this line is nobody's */
        }
        if (!is_good) {
            give_row_up(reader, "a quote is out of place: a field with quotes in it is quoted as a whole, and each "
                                "quote in it doubled");
        } else if (reader->is_in_row && reader->row_bytes > CSV_ROW_BYTES_MAX) {
            give_row_up(reader, "the row is longer than 4 MiB: a quote is opened and, it seems, never closed");
        }
    }
    if (bytes[length - 1] == '\n') {
        reader->line++;
        reader->skips_line = false;
    }
}

static void read_block(struct csv_reader *reader, const char *bytes, size_t length)
{
    while (length > 0 && !reader->is_stopped) {
        const char *newline = memchr(bytes, '\n', length);
        size_t part = newline != NULL ? (size_t)(newline - bytes) + 1 : length;
        read_line_part(reader, bytes, part);
        bytes += part;
        length -= part;
    }
}

static ssize_t read_fully(int file, char *bytes, size_t length)
{
    size_t filled = 0;
    while (filled < length) {
        ssize_t got = read(file, bytes + filled, length - filled);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? -1 : (ssize_t)filled;
        }
        filled += (size_t)got;
    }
    return (ssize_t)filled;
}

static bool read_file(struct csv_reader *reader, int file, struct fault *fault)
{
    static const char UTF8_MARK[] = "\xef\xbb\xbf";
    char block[BLOCK_BYTES];
    for (bool is_first = true; !reader->is_stopped; is_first = false) {
        ssize_t got = read_fully(file, block, sizeof(block));
        if (got < 0) {
            return fault_set(fault, FAULT_UNAVAILABLE, "the file cannot be read: %s", strerror(errno));
        }
        if (got == 0) {
            break;
        }
        size_t skip = is_first && got >= 3 && memcmp(block, UTF8_MARK, 3) == 0 ? 3 : 0;
        read_block(reader, block + skip, (size_t)got - skip);
        reader->sink->advanced(reader->sink->context, got);
    }
    if (!reader->is_stopped && csv_fini(&reader->parser, take_field, take_row, reader) != 0) {
        give_row_up(reader, "a quote is opened and never closed");
    }
    return true;
}

bool csv_read(int file, const struct csv_sink *sink, struct fault *fault)
{
    struct csv_reader reader = {.sink = sink, .line = 1, .row_line = 1};
    buffer_init(&reader.bytes, CSV_ROW_BYTES_MAX + BLOCK_BYTES);
    buffer_append_char(&reader.bytes, ' '); /* its memory exists from here on: fields of empty rows point into it */
    buffer_clear(&reader.bytes);
    begin_parser(&reader);
    bool ok = read_file(&reader, file, fault);
    csv_free(&reader.parser);
    buffer_done(&reader.bytes);
    return ok;
}
