#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/database.h"
#include "cli/options.h"

#define KEY_RANDOM_BYTES 32
#define KEY_PREFIX "hf_"
#define KEY_TEXT_LENGTH (sizeof(KEY_PREFIX) - 1 + 2 * KEY_RANDOM_BYTES)
#define KEY_HINT_LENGTH 9 /* "hf_" and six digits: enough to tell keys apart, too few to guess the rest by */
#define KEY_NAME_BYTES_MAX 100

struct keys_settings {
    const char *database;
    const char *name;
    const char *scope;
};

static const char *const SCOPE_NAMES[] = {
    [KEY_SCOPE_READ] = "read",
    [KEY_SCOPE_WRITE] = "write",
    [KEY_SCOPE_ADMIN] = "admin",
};

static const struct option CREATE_OPTIONS[] = {
    {.name = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct keys_settings, name),
     .placeholder = "NAME",
     .required = true,
     .help = "what the key is for; no two keys in force share a name"},
    {.name = "scope",
     .type = OPTION_TEXT,
     .offset = offsetof(struct keys_settings, scope),
     .placeholder = "read|write|admin",
     .required = true,
     .help =
         "read: every GET; write: also orders and stock\nadjustments; admin: also products, jobs, queues\nand webhook endpoints"},
    DATABASE_OPTION(keys_settings),
};

static const struct option COMMON_OPTIONS[] = {
    DATABASE_OPTION(keys_settings),
};

const struct command_usage KEYS_CREATE_USAGE = {
    .name = "keys create",
    .about = "Makes an API key and prints it, alone, on standard output: once, since only its SHA-256 is stored.\n"
             "A running server accepts it within a second.",
    .examples = "  holdfast keys create --name checkout --scope write\n"
                "  KEY=$(holdfast keys create --name reports --scope read)\n"
                "  curl -H \"Authorization: Bearer $KEY\" http://127.0.0.1:8080/v1/orders",
    .options = CREATE_OPTIONS,
    .option_count = sizeof(CREATE_OPTIONS) / sizeof(*CREATE_OPTIONS),
};

static const struct command_usage LIST_USAGE = {
    .name = "keys list",
    .about = "Lists all keys, oldest first, revoked ones too. The hint is how the key begins.",
    .examples = "  holdfast keys list",
    .options = COMMON_OPTIONS,
    .option_count = sizeof(COMMON_OPTIONS) / sizeof(*COMMON_OPTIONS),
};

static const struct command_usage REVOKE_USAGE = {
    .name = "keys revoke",
    .about = "Ends a key, by its id or name, for good. A running server refuses it within a second.",
    .examples = "  holdfast keys revoke checkout\n"
                "  holdfast keys revoke 0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = COMMON_OPTIONS,
    .option_count = sizeof(COMMON_OPTIONS) / sizeof(*COMMON_OPTIONS),
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "ID|NAME",
};

static bool parse_scope(const char *name, enum key_scope *ret_scope)
{
    for (size_t i = 0; i < sizeof(SCOPE_NAMES) / sizeof(*SCOPE_NAMES); i++) {
        if (strcmp(SCOPE_NAMES[i], name) == 0) {
            *ret_scope = (enum key_scope)i;
            return true;
        }
    }
    console_error("--scope is read, write or admin, not '%s'", name);
    return false;
}

static bool name_is_good(struct text name)
{
    if (name.length > KEY_NAME_BYTES_MAX || !text_is_utf8(name) || text_has_control(name)) {
        console_error("--name takes at most %d bytes of UTF-8 without control characters", KEY_NAME_BYTES_MAX);
        return false;
    }
    return true;
}

static bool make_key(char ret_key[KEY_TEXT_LENGTH + 1], uint8_t ret_hash[KEY_HASH_BYTES], struct fault *fault)
{
    unsigned char bytes[KEY_RANDOM_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return fault_set(fault, FAULT_INTERNAL, "the system gave no random bytes");
    }
    char *at = ret_key + sprintf(ret_key, "%s", KEY_PREFIX);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        at += sprintf(at, "%02x", bytes[i]);
    }
    if (EVP_Digest(ret_key, KEY_TEXT_LENGTH, ret_hash, NULL, EVP_sha256(), NULL) != 1) {
        return fault_set(fault, FAULT_INTERNAL, "SHA-256 failed");
    }
    return true;
}

/* An open, migrated database, or false with the exit status. */
static bool open_database(const struct keys_settings *settings, bool create, struct database *ret_database,
                          int *ret_exit)
{
    struct migration_report report;
    struct fault fault = {0};
    if (!database_resolve(settings->database, ret_database)) {
        *ret_exit = EXIT_WRONG_USAGE;
        return false;
    }
    if (!database_open_migrated(ret_database, &(struct store_options){.create = create}, false, &report, &fault)) {
        *ret_exit = console_fault(&fault);
        return false;
    }
    return true;
}

static int create_key(const struct keys_settings *settings, enum key_scope scope, struct database *database)
{
    char key[KEY_TEXT_LENGTH + 1];
    struct uuid_source ids;
    uuid_source_init(&ids, NULL, NULL);
    struct key_row row = {
        .name = text_from_c(settings->name),
        .scope = scope,
        .created_at_ms = clock_unix_ms(),
    };
    row.id = uuid_source_next(&ids, row.created_at_ms);
    struct fault fault = {0};
    if (!make_key(key, row.hash, &fault)) {
        return console_fault(&fault);
    }
    row.hint = (struct text){key, KEY_HINT_LENGTH};
    if (!database->ops->key_create(database->store, &row, &fault)) {
        if (fault.kind == FAULT_CONSTRAINT) {
            console_error("a key named '%s' is in force already: revoke it first, or choose another name",
                          settings->name);
            return EXIT_FAILED;
        }
        return console_fault(&fault);
    }
    printf("%s\n", key);
    if (!console_flush()) {
        console_error("the key '%s' exists, but nobody has seen it: revoke it and make another", settings->name);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int run_create(int argument_count, char **arguments)
{
    struct keys_settings settings = {0};
    size_t operand_count;
    int exit_status;
    enum key_scope scope;
    struct database database;
    if (!options_read(&KEYS_CREATE_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    if (!name_is_good(text_from_c(settings.name)) || !parse_scope(settings.scope, &scope)) {
        return EXIT_WRONG_USAGE;
    }
    if (!open_database(&settings, true, &database, &exit_status)) {
        return exit_status;
    }
    exit_status = create_key(&settings, scope, &database);
    database_close(&database);
    return exit_status;
}

static void print_key(const struct key_row *key)
{
    char id[UUID_TEXT_LENGTH + 1];
    char created[TIME_TEXT_LENGTH + 1];
    char revoked[TIME_TEXT_LENGTH + 1] = "-";
    uuid_format(key->id, id);
    time_format(key->created_at_ms, created);
    if (key->revoked_at_ms != 0) {
        time_format(key->revoked_at_ms, revoked);
    }
    printf("%-36s  %-5s  %-9.*s  %-24s  %-24s  %.*s\n", id, SCOPE_NAMES[key->scope], (int)key->hint.length,
           key->hint.bytes, created, revoked, (int)key->name.length, key->name.bytes);
}

static bool list_keys(struct database *database, struct fault *fault)
{
    struct reader *reader;
    if (!database->ops->reader_open(database->store, &reader, fault)) {
        return false;
    }
    struct arena *arena = arena_new(16 * 1024);
    struct key_row *keys = NULL;
    size_t count = 0;
    bool ok = database->ops->read_keys(reader, arena, &keys, &count, fault);
    if (ok) {
        printf("%-36s  %-5s  %-9s  %-24s  %-24s  %s\n", "ID", "SCOPE", "HINT", "CREATED", "REVOKED", "NAME");
    }
    for (size_t i = 0; i < count; i++) {
        print_key(&keys[i]);
    }
    arena_free(arena);
    database->ops->reader_close(reader);
    return ok;
}

static int run_list(int argument_count, char **arguments)
{
    struct keys_settings settings = {0};
    size_t operand_count;
    int exit_status;
    struct database database;
    if (!options_read(&LIST_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status) ||
        !open_database(&settings, false, &database, &exit_status)) {
        return exit_status;
    }
    struct fault fault = {0};
    bool ok = list_keys(&database, &fault);
    database_close(&database);
    if (!ok) {
        return console_fault(&fault);
    }
    return console_flush() ? EXIT_DONE : EXIT_FAILED;
}

static int run_revoke(int argument_count, char **arguments)
{
    struct keys_settings settings = {0};
    size_t operand_count;
    int exit_status;
    struct database database;
    if (!options_read(&REVOKE_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status) ||
        !open_database(&settings, false, &database, &exit_status)) {
        return exit_status;
    }
    struct fault fault = {0};
    bool is_found = false;
    bool ok = database.ops->key_revoke(database.store, text_from_c(arguments[0]), clock_unix_ms(), &is_found, &fault);
    database_close(&database);
    if (!ok) {
        return console_fault(&fault);
    }
    if (!is_found) {
        console_error("no key in force has the id or name '%s'; see: holdfast keys list", arguments[0]);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static const struct {
    const char *name;
    int (*run)(int argument_count, char **arguments);
} ACTIONS[] = {
    {"create", run_create},
    {"list", run_list},
    {"revoke", run_revoke},
};

static const struct command_usage USAGE = {
    .name = "keys",
    .about = "API keys. While no key exists, a server that listens on loopback is open to all; a server that listens\n"
             "to the world does not start without one.",
    .examples = "  holdfast keys create --name checkout --scope write    print a new key, once\n"
                "  holdfast keys list                                    all keys\n"
                "  holdfast keys revoke checkout                         end one\n"
                "  holdfast keys create --help                           each explains itself",
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "create|list|revoke",
};

int command_keys(int argument_count, char **arguments)
{
    for (size_t i = 0; argument_count > 0 && i < sizeof(ACTIONS) / sizeof(*ACTIONS); i++) {
        if (strcmp(ACTIONS[i].name, arguments[0]) == 0) {
            return ACTIONS[i].run(argument_count - 1, arguments + 1);
        }
    }
    size_t operand_count;
    int exit_status;
    if (options_read(&USAGE, argument_count, arguments, NULL, &operand_count, &exit_status)) {
        console_error("'%s' is none of create, list and revoke", arguments[0]);
        return EXIT_WRONG_USAGE;
    }
    return exit_status;
}
