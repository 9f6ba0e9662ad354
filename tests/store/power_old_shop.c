#include "power_rush.h"

#include <assert.h>
#include <sqlite3.h>

#include "power_vfs.h"
#include "store/schema/migrations.h"

#define ID_OF(number) "x'019aa0000000700080000000000000" number "'"
#define START "1795340400000"
#define END "1795341300000"

static const char OLD_ROWS[] =
    "INSERT INTO schema_migrations (number, name, applied_at) VALUES (1, 'initial', " START ");"
    "INSERT INTO products VALUES (1, " ID_OF(
        "01") ", 'Evergreen', " START ", 1);"
              "INSERT INTO product_variants VALUES (1, 1, 'evergreen', 'Evergreen', 100, 'EUR', NULL, NULL, 1);"
              "INSERT INTO stock_levels VALUES (1, 1, 999, 2, 4);"
              "INSERT INTO orders VALUES "
              "(1, " ID_OF(
                  "02") ", 'c-0', 'draft', 'EUR', 200, " START ", " END ", 900000, 1, 0, NULL, NULL), "
                        "(2, " ID_OF(
                            "03") ", 'c-0', 'paid', 'EUR', 100, " START ", " END ", 900000, 2, 0, NULL, NULL);"
                                  "INSERT INTO order_items VALUES (1, 1, 1, 2, 100), (2, 1, 1, 1, 100);"
                                  "INSERT INTO stock_reservations VALUES (1, 1, 1, 2, 'active'), (2, 1, 1, 1, 'converted');"
                                  "INSERT INTO payments VALUES (2, 1, 'pi-0', 'accepted', 100, 'EUR', NULL, " START ");"
                                  "INSERT INTO stock_movements VALUES (1, " ID_OF(
                                      "04") ", 1, 1000, 'initial', NULL, NULL, 1000, " START "), "
                                            "(2, " ID_OF(
                                                "05") ", 1, -1, 'sale', NULL, 2, 999, " START ");"
                                                      "INSERT INTO jobs VALUES ('payment_timeout', " END ", 1);"
                                                      "INSERT INTO events VALUES (1, " ID_OF(
                                                          "06") ", 'order.created', " START ", 1, '{}'), "
                                                                "(2, " ID_OF(
                                                                    "07") ", 'order.created', " START
                                                                          ", 2, '{}'), (3, " ID_OF(
                                                                              "08") ", 'order.paid', " START
                                                                                    ", 2, '{}');"
                                                                                    "PRAGMA application_id = 1215261796; PRAGMA user_version = 1; COMMIT;";

void rush_lay_old_shop(struct disk *disk, const char *location)
{
    sqlite3 *database;
    power_vfs_mount(disk);
    int code = sqlite3_open(location, &database);
    assert(code == SQLITE_OK);
    code = sqlite3_exec(database, "PRAGMA journal_mode = WAL; BEGIN", NULL, NULL, NULL);
    assert(code == SQLITE_OK);
    code = sqlite3_exec(database, SQLITE_MIGRATIONS[0].sql, NULL, NULL, NULL);
    assert(code == SQLITE_OK);
    code = sqlite3_exec(database, OLD_ROWS, NULL, NULL, NULL);
    assert(code == SQLITE_OK);
    (void)sqlite3_close(database);
    disk_sync_all(disk);
}
