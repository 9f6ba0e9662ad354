#include <stdio.h>

#include <curl/curl.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <llhttp/llhttp.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <uv.h>

#include "base/version.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"

static const struct command_usage USAGE = {
    .name = "version",
    .about = "Prints the version of Holdfast, and those of the libraries that it runs with.",
    .examples = "  holdfast version",
};

int command_version(int argument_count, char **arguments)
{
    size_t operand_count;
    int exit_status;
    if (!options_read(&USAGE, argument_count, arguments, NULL, &operand_count, &exit_status)) {
        return exit_status;
    }
    printf("holdfast %s\n", HOLDFAST_VERSION);
    int libpq = PQlibVersion(); /* 150018 is 15.18 */
    printf("sqlite %s, libpq %d.%d, libuv %s, llhttp %d.%d.%d, jansson %s, openssl %s, curl %s\n", sqlite3_libversion(),
           libpq / 10000, libpq % 10000, uv_version_string(), LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
           LLHTTP_VERSION_PATCH, jansson_version_str(), OpenSSL_version(OPENSSL_VERSION_STRING),
           curl_version_info(CURLVERSION_NOW)->version);
    return console_flush() ? EXIT_DONE : EXIT_FAILED;
}
