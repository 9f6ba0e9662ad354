/* What hostile, broken and unusual clients send, byte for byte, and the one status each gets. Every case is sent whole
 * and then byte by byte; a refusal has to close the connection, and nothing behind it may be answered. */

#include "http_test_server.h"

#define HOST "Host: shop.example\r\n"
#define POST_CHUNKED "POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
#define POST_TE(value) "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: " value "\r\n\r\n0\r\n\r\n"
#define POST_LENGTH(value) "POST / HTTP/1.1\r\n" HOST "Content-Length: " value "\r\n\r\nhello"
#define GET_HEADER(line) "GET / HTTP/1.1\r\n" HOST line "\r\n\r\n"
#define GET_HOST(value) "GET / HTTP/1.1\r\nHost: " value "\r\n\r\n"
#define GET_TARGET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"

#define REFUSED(status, request)                       \
    {                                                  \
        (status), (request), sizeof(request) - 1, NULL \
    }
#define SERVED(request, body)                       \
    {                                               \
        200, (request), sizeof(request) - 1, (body) \
    }

static const struct {
    int status;
    const char *bytes;
    size_t length;
    const char *body; /* that the handler echoed: proves where the server saw the request end */
} CASES[] = {
    /* line ends */
    REFUSED(400, "GET / HTTP/1.1\nHost: a\n\n"),
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\n"),
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n"),
    REFUSED(400, GET_HEADER("X: a\rb")),
    REFUSED(400, GET_HEADER("X: a\r\r\nY: b")),
    REFUSED(400, "GET / HTTP/1.1\rHost: a\r\r"),
    REFUSED(400, GET_HEADER("X: a\r\n folded")),
    REFUSED(400, GET_HEADER("X: a\r\n\tfolded")),
    REFUSED(400, GET_HEADER("X: a\r\n ")),
    REFUSED(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    REFUSED(400, "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"),
    REFUSED(400, " GET / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "\nGET / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
    SERVED("\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", "GET /a? "),
    /* header names and values */
    REFUSED(400, GET_HEADER("X : a")),
    REFUSED(400, GET_HEADER("X\t: a")),
    REFUSED(400, GET_HEADER(": a")),
    REFUSED(400, GET_HEADER("no colon")),
    REFUSED(400, GET_HEADER("nocolon")),
    REFUSED(400, GET_HEADER("X(y): a")),
    REFUSED(400, GET_HEADER("X\x80: a")),
    REFUSED(400, GET_HEADER("X\0: a")),
    REFUSED(400, GET_HEADER("X: a\0b")),
    REFUSED(400, GET_HEADER("X: a\x01")),
    REFUSED(400, GET_HEADER("X: a\x0b")),
    REFUSED(400, GET_HEADER("X: \x7f")),
    SERVED(GET_HEADER("X: \t caf\xc3\xa9 \t"), "GET /? "),
    SERVED(GET_HEADER("X:"), "GET /? "),
    SERVED(GET_HEADER("X!#$%&'*+-.^_`|~9:y"), "GET /? "),
    /* Host */
    REFUSED(400, "GET / HTTP/1.1\r\n\r\n"),
    REFUSED(400, "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    REFUSED(400, GET_HEADER(HOST "X: y")),
    REFUSED(400, GET_HEADER("host: other.example")),
    REFUSED(400, GET_HOST("")),
    REFUSED(400, GET_HOST("a b")),
    REFUSED(400, GET_HOST("a, b")),
    REFUSED(400, GET_HOST("a/b")),
    REFUSED(400, GET_HOST("user@a")),
    REFUSED(400, GET_HOST("a#b")),
    REFUSED(400, GET_HOST("a\tb")),
    REFUSED(400, GET_HOST("a\0b")),
    REFUSED(400, GET_HOST("a\r\nHost: a")),
    REFUSED(400, GET_HOST("http://a")),
    REFUSED(400, GET_HOST("a?b")),
    REFUSED(400, GET_HOST("\xc3\xa4.example")),
    REFUSED(400, GET_HOST("a:8x")),
    REFUSED(400, GET_HOST("a:123456")),
    REFUSED(400, GET_HOST("a:1:2")),
    REFUSED(400, GET_HOST(":80")),
    REFUSED(400, GET_HOST("[::1")),
    REFUSED(400, GET_HOST("[]")),
    REFUSED(400, GET_HOST("[::1]x")),
    REFUSED(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
    SERVED(GET_HOST("[::1]:8080"), "GET /? "),
    SERVED(GET_HOST("127.0.0.1:8080"), "GET /? "),
    SERVED("GET / HTTP/1.0\r\n\r\n", "GET /? "),
    /* Content-Length */
    REFUSED(400, POST_LENGTH("5\r\nContent-Length: 5")),
    REFUSED(400, POST_LENGTH("5\r\nContent-Length: 6")),
    REFUSED(400, POST_LENGTH("5\r\ncontent-length: 0")),
    REFUSED(400, POST_LENGTH("0\r\nX: y\r\nCONTENT-LENGTH: 5")),
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello"),
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length\t: 5\r\n\r\nhello"),
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n 5\r\n\r\nhello"),
    REFUSED(400, POST_LENGTH("5\0")),
    REFUSED(400, POST_LENGTH("5\x0b")),
    REFUSED(400, POST_LENGTH("\x0c"
                             "5")),
    REFUSED(400, POST_LENGTH("1e1")),
    REFUSED(400, POST_LENGTH("5,")),
    REFUSED(400, POST_LENGTH("\xef\xbc\x95")), /* the full-width digit */
    REFUSED(400, POST_LENGTH("\"5\"")),
    REFUSED(400, POST_LENGTH("5, 5")),
    REFUSED(400, POST_LENGTH("+5")),
    REFUSED(400, POST_LENGTH("-5")),
    REFUSED(400, POST_LENGTH("5 5")),
    REFUSED(400, POST_LENGTH("5;")),
    REFUSED(400, POST_LENGTH("0x5")),
    REFUSED(400, POST_LENGTH("5.0")),
    REFUSED(400, POST_LENGTH("")),
    REFUSED(400, POST_LENGTH("five")),
    REFUSED(400, POST_LENGTH("18446744073709551621")),
    REFUSED(400, POST_LENGTH("99999999999999999999999999")),
    REFUSED(413, POST_LENGTH("18446744073709551605")),
    REFUSED(413, POST_LENGTH("65537")),
    SERVED(POST_LENGTH("5"), "POST /? hello"),
    SERVED(POST_LENGTH("\t 5  "), "POST /? hello"),
    SERVED(POST_LENGTH("005"), "POST /? hello"),
    SERVED("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "GET /? hello"),
    SERVED("POST / HTTP/1.1\r\n" HOST "\r\n", "POST /? "),
    /* Transfer-Encoding */
    REFUSED(400, POST_TE("chunked\r\nContent-Length: 5")),
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    REFUSED(400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(400, POST_TE("chunked\r\nTransfer-Encoding: chunked")),
    REFUSED(400, POST_TE("chunked\r\nTransfer-Encoding: identity")),
    REFUSED(400, POST_TE("chunked, chunked")),
    REFUSED(400, POST_TE("chunked, gzip")),
    REFUSED(400, POST_TE("chunked, identity")),
    REFUSED(400, POST_TE("gzip, chunked, chunked")),
    REFUSED(400, POST_TE("identity\r\nTransfer-Encoding: chunked")),
    REFUSED(400, POST_TE("chunked\r\ntransfer-encoding: x")),
    REFUSED(400, POST_TE("chunked\0")),
    REFUSED(400, POST_TE("chunked\x0b")),
    REFUSED(400, POST_TE("chunked chunked")),
    REFUSED(400, POST_TE("chun\xc4\xb7"
                         "ed")),
    REFUSED(400, POST_TE(", chunked")),
    REFUSED(400, POST_TE("chunked,")),
    REFUSED(400, POST_TE("chunked;q=1")),
    REFUSED(400, POST_TE("\"chunked\"")),
    REFUSED(400, POST_TE("")),
    REFUSED(400, POST_TE("\x0b"
                         "chunked")),
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(501, POST_TE("gzip, chunked")),
    REFUSED(501, POST_TE("gzip")),
    REFUSED(501, POST_TE("identity")),
    REFUSED(501, POST_TE("identity, chunked")),
    REFUSED(501, POST_TE("xchunked")),
    SERVED(POST_TE("CHUNKED"), "POST /? "),
    /* chunks */
    SERVED(POST_CHUNKED "5\r\nhello\r\n6;name=\"v;\"\r\n world\r\n0\r\n\r\n", "POST /c? hello world"),
    SERVED(POST_CHUNKED "00a\r\n0123456789\r\n0;last\r\nX-Sum: 1\r\nX-Other:\r\n\r\n", "POST /c? 0123456789"),
    REFUSED(400, POST_CHUNKED "g\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "+5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED " 5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\t;x\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\rhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\r\nhello\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\r\nhelloX\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\r\nhello\rX0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\r\nhello0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5;a\x01\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5;a\0\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0000000000000005\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0000000000000000\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5\r\nhello\r\n\r\n0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "5;a=\"\r\nhello\r\n0\n\r\n"),
    REFUSED(413, POST_CHUNKED "fffffffffffffff\r\nhello"),
    REFUSED(413, POST_CHUNKED "10001\r\nhello"),
    REFUSED(413, POST_CHUNKED "5\r\nhello\r\nfffc\r\nhello"),
    REFUSED(400, POST_CHUNKED "0\r\nX: y\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nX: y\r\n folded\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nX : y\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\n: y\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nX: \0\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nnocolon\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\n\n"),
    REFUSED(400, POST_CHUNKED "0\r\n\rX"),
    REFUSED(400, POST_CHUNKED "0\r\nContent-Length: 5\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nTRANSFER-encoding: chunked\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nHost: a\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nConnection: close\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nUpgrade: h2c\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nExpect: 100-continue\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nX: y\r\nauthorization: Bearer hf_1\r\n\r\n"),
    REFUSED(400, POST_CHUNKED "0\r\nIdempotency-Key: k\r\n\r\n"),
    /* the request line */
    REFUSED(400, GET_TARGET("/\x01")),
    REFUSED(400, GET_TARGET("/\x80")),
    REFUSED(400, GET_TARGET("/\x7f")),
    REFUSED(400, GET_TARGET("/\t")),
    REFUSED(400, GET_TARGET("/#fragment")),
    REFUSED(400, GET_TARGET("/?a#fragment")),
    REFUSED(400, GET_TARGET("/a b")),
    REFUSED(400, GET_TARGET("")),
    REFUSED(400, GET_TARGET(" /")),
    REFUSED(400, GET_TARGET("/ ")),
    REFUSED(400, GET_TARGET("relative")),
    REFUSED(400, GET_TARGET("?query")),
    REFUSED(400, GET_TARGET("*")),
    REFUSED(400, GET_TARGET("host:443")),
    REFUSED(400, GET_TARGET("ftp://host/")),
    REFUSED(400, GET_TARGET("http://")),
    REFUSED(400, GET_TARGET("http:///path")),
    REFUSED(400, GET_TARGET("http://user@host/")),
    REFUSED(400, GET_TARGET("http://ho\\st/")),
    SERVED(GET_TARGET("http://host:80/a?b"), "GET /a?b "),
    SERVED(GET_TARGET("HTTPS://host"), "GET /? "),
    SERVED(GET_TARGET("http://host?b"), "GET /?b "),
    SERVED(GET_TARGET("//a/../b%2F"), "GET //a/../b%2F? "),
    SERVED(GET_TARGET("/%00%c0%ae%zz"), "GET /%00%c0%ae%zz? "),
    SERVED(GET_TARGET("/a?b?c=/d"), "GET /a?b?c=/d "),
    SERVED("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *? "),
    REFUSED(400, "CONNECT host:443 HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "CONNECT / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "GET /\tHTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "GET / HTTP/1.1 \r\n" HOST "\r\n"),
    REFUSED(400, "GET / HTTP/1.1\t\r\n" HOST "\r\n"),
    REFUSED(400, "\0GET / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "\xef\xbb\xbfGET / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "\tGET / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "G@T / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "/ HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "GET / HTTP/1.1x\r\n" HOST "\r\n"),
    REFUSED(400, "GET / HTTP/1.10\r\n" HOST "\r\n"),
    REFUSED(400, "GET / HTTP/11\r\n" HOST "\r\n"),
    REFUSED(400, "GET / http/1.1\r\n" HOST "\r\n"),
    REFUSED(400, "GET / HTTP/1\r\n" HOST "\r\n"),
    REFUSED(400, "GET /\r\n" HOST "\r\n"),
    REFUSED(400, "DESCRIBE / RTSP/1.0\r\n" HOST "\r\n"),
    REFUSED(400, "SOURCE / ICE/1.0\r\n" HOST "\r\n"),
    REFUSED(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    REFUSED(501, "get / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(501, "BREW / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(501, "GETX / HTTP/1.1\r\n" HOST "\r\n"),
    REFUSED(505, "GET / HTTP/0.9\r\n" HOST "\r\n"),
    REFUSED(505, "GET / HTTP/1.2\r\n" HOST "\r\n"),
    REFUSED(505, "GET / HTTP/2.0\r\n" HOST "\r\n"),
    REFUSED(505, "GET / HTTP/3.0\r\n" HOST "\r\n"),
    REFUSED(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    REFUSED(400, "PRI /a HTTP/1.1\r\n\r\n"),
    REFUSED(417, GET_HEADER("Expect: a-pony")),
    REFUSED(417, GET_HEADER("Expect: 100-continue, a-pony")),
    SERVED("PUT /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", "PUT /a? hi"),
    SERVED("TRACE /a HTTP/1.1\r\n" HOST "\r\n", "TRACE /a? "),
};

/* Requests one behind the other: what each is answered, in order, and whether the connection is closed behind the last.
 * A request that is hidden in another's body is not answered, and one that is not hidden is. */
static const struct {
    const char *bytes;
    const char *answers[4]; /* the echoed bodies; "400" and the like are refusals */
    bool is_closed;
} SEQUENCES[] = {
    {POST_LENGTH("5") GET_TARGET("/next"), {"POST /? hello", "GET /next? "}, false},
    {POST_LENGTH("5") "\r\n" GET_TARGET("/next"), {"POST /? hello", "GET /next? "}, false},
    {POST_LENGTH("5") "\r\n\r\n" GET_TARGET("/next"), {"POST /? hello", "400"}, true},
    {POST_LENGTH("5") "\n" GET_TARGET("/next"), {"POST /? hello", "400"}, true},
    {POST_LENGTH("5") " world" GET_TARGET("/next"), {"POST /? hello", "400"}, true},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 18\r\n\r\nGET /in HTTP/1.1\r\n" GET_TARGET("/next"),
     {"POST /? GET /in HTTP/1.1\r\n", "GET /next? "},
     false},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 18\r\n\r\nGET /in HTTP/1.1\r\n" GET_TARGET("/next"),
     {"GET /? GET /in HTTP/1.1\r\n", "GET /next? "},
     false},
    {POST_CHUNKED "12\r\nGET /in HTTP/1.1\r\n\r\n0\r\n\r\n" GET_TARGET("/next"),
     {"POST /c? GET /in HTTP/1.1\r\n", "GET /next? "},
     false},
    {POST_CHUNKED "1;x=\"GET /in HTTP/1.1\"\r\nx\r\n0\r\nX-Trailer: GET /in HTTP/1.1\r\n\r\n" GET_TARGET("/next"),
     {"POST /c? x", "GET /next? "},
     false},
    /* no body was announced: what follows is the next request, and none */
    {"POST / HTTP/1.1\r\n" HOST "\r\nhello" GET_TARGET("/next"), {"POST /? ", "501"}, true},
    {"POST / HTTP/1.1\r\n" HOST "Transfer_Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", {"POST /? ", "400"}, true},
    {"POST / HTTP/1.1\r\n" HOST "X: y, Content-Length: 5\r\n\r\nhello\r\n\r\n", {"POST /? ", "400"}, true},
    {"POST / HTTP/1.1\r\n" HOST "TE: chunked\r\n\r\n" GET_TARGET("/next"), {"POST /? ", "GET /next? "}, false},
    {POST_LENGTH("0") GET_TARGET("/next"), {"POST /? ", "501"}, true}, /* a method "helloGET" */
    {GET_HEADER("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
         GET_TARGET("/next"),
     {"GET /? ", "GET /next? "},
     false},
    {GET_HEADER("Connection: Upgrade\r\nUpgrade: websocket") GET_TARGET("/next"), {"GET /? ", "GET /next? "}, false},
    /* how long a connection lives */
    {GET_HEADER("Connection: close") GET_TARGET("/next"), {"GET /? "}, true},
    {GET_HEADER("Connection: keep-alive, close") GET_TARGET("/next"), {"GET /? "}, true},
    {GET_HEADER("Connection: close\r\nConnection: keep-alive") GET_TARGET("/next"), {"GET /? "}, true},
    {"GET / HTTP/1.0\r\n\r\n" GET_TARGET("/next"), {"GET /? "}, true},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET_TARGET("/next"), {"GET /? ", "GET /next? "}, false},
    {"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello" GET_TARGET("/next"), {"POST /? hello"}, true},
    {GET_TARGET("/a") GET_TARGET("/b") "nonsense\r\n\r\n" GET_TARGET("/c"), {"GET /a? ", "GET /b? ", "400"}, true},
};

static int start(void **state)
{
    *state = server_start(default_options());
    return 0;
}

static int stop(void **state)
{
    server_stop(*state);
    return 0;
}

static void check_case(const struct test_server *server, size_t index, size_t piece)
{
    int client = client_connect(server);
    for (size_t at = 0; at < CASES[index].length; at += piece) {
        size_t left = CASES[index].length - at;
        client_send_bytes(client, CASES[index].bytes + at, left < piece ? left : piece);
    }
    if (CASES[index].status != 200) {
        client_send(client, "\r\n\r\nGET /smuggled HTTP/1.1\r\n" HOST "\r\n");
    }
    struct reply reply = client_read_reply(client);
    bool as_expected = reply.status == CASES[index].status &&
                       (CASES[index].body == NULL || strcmp(reply.body, CASES[index].body) == 0);
    if (!as_expected) {
        print_error("case %zu, in pieces of %zu: %s\nis answered: %s%s\n", index, piece, CASES[index].bytes, reply.head,
                    reply.body);
    }
    assert_true(as_expected);
    if (CASES[index].status != 200) {
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(reply_has(&reply, "Content-Type: application/problem+json"));
        assert_true(client_is_at_end(client));
    }
    close(client);
}

static void each_request_has_one_meaning_or_is_refused(void **state)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        check_case(*state, i, SIZE_MAX / 2);
    }
}

static void the_verdict_does_not_depend_on_how_the_bytes_arrive(void **state)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        check_case(*state, i, 1);
        check_case(*state, i, 7);
    }
}

static void check_sequence(const struct test_server *server, size_t index, size_t piece)
{
    const char *bytes = SEQUENCES[index].bytes;
    size_t length = strlen(bytes);
    int client = client_connect(server);
    for (size_t at = 0; at < length; at += piece) {
        client_send_bytes(client, bytes + at, length - at < piece ? length - at : piece);
    }
    for (const char *const *expected = SEQUENCES[index].answers; *expected != NULL; expected++) {
        struct reply reply = client_read_reply(client);
        bool is_refusal = strspn(*expected, "0123456789") == 3;
        bool as_expected = is_refusal ? reply.status == (int)strtol(*expected, NULL, 10)
                                      : reply.status == 200 && strcmp(reply.body, *expected) == 0;
        if (!as_expected) {
            print_error("sequence %zu, in pieces of %zu: %s\nis answered: %s%s\n", index, piece, bytes, reply.head,
                        reply.body);
        }
        assert_true(as_expected);
    }
    if (SEQUENCES[index].is_closed) {
        assert_true(client_is_at_end(client));
    } else {
        struct reply last = client_ask(client, GET_TARGET("/last"));
        assert_string_equal(last.body, "GET /last? "); /* nothing else came between */
    }
    close(client);
}

static void no_request_hides_in_another(void **state)
{
    for (size_t i = 0; i < sizeof(SEQUENCES) / sizeof(SEQUENCES[0]); i++) {
        check_sequence(*state, i, SIZE_MAX / 2);
        check_sequence(*state, i, 1);
        check_sequence(*state, i, 7);
    }
}

/* A request whose head has a filler of the given size in the target or in headers. */
static int status_of(const struct test_server *server, size_t target_length, size_t header_count, size_t value_length)
{
    struct buffer request;
    buffer_init(&request, 1 << 20);
    buffer_append_c(&request, "GET /");
    for (size_t i = 1; i < target_length; i++) {
        buffer_append_char(&request, 'a');
    }
    buffer_append_c(&request, " HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < header_count; i++) {
        buffer_append_c(&request, "X: ");
        for (size_t k = 0; k < value_length; k++) {
            buffer_append_char(&request, 'v');
        }
        buffer_append_c(&request, "\r\n");
    }
    buffer_append_c(&request, "\r\n");
    int client = client_connect(server);
    client_send_bytes(client, request.bytes, request.length);
    struct reply reply;
    client_read_head(client, &reply);
    close(client);
    buffer_done(&request);
    return reply.status;
}

static void heads_are_bounded(void **state)
{
    const struct test_server *server = *state;
    assert_int_equal(status_of(server, 8192, 0, 0), 200);
    assert_int_equal(status_of(server, 8193, 0, 0), 414);
    assert_int_equal(status_of(server, 500000, 0, 0), 414);
    assert_int_equal(status_of(server, 1, 99, 1), 200);
    assert_int_equal(status_of(server, 1, 100, 1), 431);
    assert_int_equal(status_of(server, 1, 5000, 1), 431);
    /* 16,384 bytes in all: 16 + 9 for the first two lines, 5 around the value, 2 at the end */
    assert_int_equal(status_of(server, 1, 1, 16384 - 16 - 9 - 5 - 2), 200);
    assert_int_equal(status_of(server, 1, 1, 16384 - 16 - 9 - 5 - 2 + 1), 431);
    assert_int_equal(status_of(server, 1, 1, 500000), 431);
}

static void chunk_extensions_and_trailers_are_bounded(void **state)
{
    int client = client_connect(*state);
    client_send(client, POST_CHUNKED);
    for (int i = 0; i < 2000; i++) {
        client_send(client, "1;extension\r\nx\r\n");
    }
    assert_int_equal(client_read_reply(client).status, 431);
    close(client);
    client = client_connect(*state);
    client_send(client, POST_CHUNKED "0\r\n");
    for (int i = 0; i < 2000; i++) {
        client_send(client, "X-Trailer: x\r\n");
    }
    assert_int_equal(client_read_reply(client).status, 431);
    close(client);
}

static void a_refused_body_does_not_destroy_its_answer(void **state)
{
    int client = client_connect(*state);
    client_send(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    static const char PIECE[10000];
    for (int i = 0; i < 100; i++) {
        client_send_bytes(client, PIECE, sizeof(PIECE));
    }
    assert_int_equal(client_read_reply(client).status, 413);
    assert_true(client_is_at_end(client));
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_has_one_meaning_or_is_refused),
        cmocka_unit_test(the_verdict_does_not_depend_on_how_the_bytes_arrive),
        cmocka_unit_test(no_request_hides_in_another),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(chunk_extensions_and_trailers_are_bounded),
        cmocka_unit_test(a_refused_body_does_not_destroy_its_answer),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
