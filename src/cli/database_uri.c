#include "cli/database_uri.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "cli/console.h"

static const char HIDDEN[] = "***";
static const char PASSWORD[] = "password"; /* and sslpassword */

bool database_uri_is_postgres(const char *uri)
{
    static const char *const SCHEMES[] = {"postgresql://", "postgres://"};
    for (size_t i = 0; i < sizeof(SCHEMES) / sizeof(*SCHEMES); i++) {
        if (strncmp(uri, SCHEMES[i], strlen(SCHEMES[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Where user and host begin. */
static const char *skip_scheme(const char *uri)
{
    const char *separator = strstr(uri, "://");
    return separator == NULL ? uri : separator + 3;
}

/* libpq ends user and password at the first '@', and knows none behind a '/'. A second '@', or one behind a '/' or '?'
 * outside the parameters, is one of a password that was not encoded: half of it would become a host's or a database's
 * name, and be shown. */
static bool has_stray_at(const char *uri)
{
    const char *authority = skip_scheme(uri);
    const char *path = authority + strcspn(authority, "/?");
    const char *query = authority + strcspn(authority, "?");
    const char *first = strchr(authority, '@');
    if (first == NULL) {
        return false;
    }
    if (first > query) {
        return path == query;
    }
    return first > path || memchr(first + 1, '@', (size_t)(query - first - 1)) != NULL;
}

/* What libpq would only say when it connects. */
static bool ports_are_numbers(const char *source, const PQconninfoOption *options)
{
    while (strcmp(options->keyword, "port") != 0) {
        options++;
    }
    for (const char *at = options->val; at != NULL && *at != '\0'; at += *at == ',') {
        size_t length = strcspn(at, ",");
        int64_t port;
        if (length > 0 && (!text_to_int64((struct text){at, length}, &port) || port < 1 || port > UINT16_MAX)) {
            console_error("%s: a port is a number from 1 to %d", source, UINT16_MAX);
            return false;
        }
        at += length;
    }
    return true;
}

bool database_uri_check(const char *source, const char *uri)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(uri, &message);
    bool is_read = options != NULL;
    if (!is_read) { /* what follows the colon is a piece of the URI */
        const char *reason = message == NULL ? "out of memory" : message;
        const char *quote = strstr(reason, ": \"");
        console_error("%s is no connection URI: %.*s", source,
                      quote == NULL ? (int)strcspn(reason, "\n") : (int)(quote - reason), reason);
    } else if (has_stray_at(uri)) {
        console_error("%s has an '@' too many: in a user's, password's or database's name '@' is written %%40, "
                      "'/' %%2F, '?' %%3F, ':' %%3A and '%%' %%25",
                      source);
        is_read = false;
    } else {
        is_read = ports_are_numbers(source, options);
    }
    PQconninfoFree(options);
    PQfreemem(message);
    return is_read;
}

/* A name in which something is encoded may be any name. */
static bool is_secret(const char *name, size_t length)
{
    size_t password_length = strlen(PASSWORD);
    return memchr(name, '%', length) != NULL ||
           (length >= password_length && memcmp(name + length - password_length, PASSWORD, password_length) == 0);
}

static void show_parameters(struct buffer *shown, const char *at)
{
    while (*at != '\0') {
        size_t length = strcspn(at, "&");
        size_t name_length = strcspn(at, "=&");
        bool is_hidden = name_length < length && is_secret(at, name_length);
        buffer_append(shown, at, is_hidden ? name_length + 1 : length);
        buffer_append_c(shown, is_hidden ? HIDDEN : "");
        at += length;
        if (*at == '&') {
            buffer_append_char(shown, '&');
            at++;
        }
    }
}

/* Where the host begins, at an '@'; NULL where nothing stands before it. */
static const char *find_host(const char *authority)
{
    const char *query = authority + strcspn(authority, "?");
    const char *at = memrchr(authority, '@', (size_t)(query - authority));
    bool has_path = memchr(authority, '/', (size_t)(query - authority)) != NULL;
    return at != NULL || has_path ? at : strrchr(authority, '@'); /* a '?' in the password */
}

void database_uri_show(const char *uri, char ret_shown[DATABASE_URI_SHOWN_BYTES_MAX])
{
    struct buffer shown;
    buffer_init(&shown, 4 * strlen(uri) + sizeof(HIDDEN)); /* each thing hidden may grow by as much */
    const char *authority = skip_scheme(uri);
    const char *host = find_host(authority);
    const char *colon = host == NULL ? NULL : memchr(authority, ':', (size_t)(host - authority));
    const char *rest = uri;
    if (colon != NULL) {
        buffer_append(&shown, uri, (size_t)(colon + 1 - uri));
        buffer_append_c(&shown, HIDDEN);
        rest = host;
    }
    size_t length = strcspn(rest, "?");
    buffer_append(&shown, rest, length);
    if (rest[length] == '?') {
        buffer_append_char(&shown, '?');
        show_parameters(&shown, rest + length + 1);
    }
    (void)snprintf(ret_shown, DATABASE_URI_SHOWN_BYTES_MAX, "%.*s", (int)shown.length, shown.bytes);
    buffer_done(&shown);
}
