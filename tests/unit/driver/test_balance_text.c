/* What the balance driver writes and reads, without HAProxy: configuration, commands, captured answers. */
#include "base/text.h"
#include "driver/balance/balance_answer.h"
#include "driver/balance/balance_config.h"
#include "driver/balance/balance_difference.h"
#include "driver/balance/balance_log.h"
#include "driver/http_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Captured from HAProxy 2.6.12. */
static const char STATE[] =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state "
    "srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port\n"
    "3 www 1 w1 127.0.0.1 2 8 1 1 0 15 3 2 6 0 0 0 - 9001 - 0 0 - - 0\n"
    "3 www 2 w2 127.0.0.2 0 1 1 1 1 1 0 1 2 0 0 0 - 9002 - 0 0 - - 0\n";
static const char CONN[] =
    "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb "
    "safe_nb idle_lim idle_cur idle_per_thr[1]\n"
    "www/w1 3/1 127.0.0.1 9001 - 0 7 9 1 0 0 0 0\nwww/gone 3/2 127.0.0.1 9 - 0 1 1 1 0 0 0 0\n";
static const char STAT[] =
    "# pxname,svname,qcur,scur,stot,bin,bout,econ,status,type,hrsp_5xx,last_chk,req_tot,mode,\n"
    "www,FRONTEND,,1,7,1,2,,OPEN,0,9,,3029,http,\n"
    "www,w1,0,2,3041,100,200,4,UP,2,5,\"Layer7 wrong, \"\"quoted\"\"\",3025,http,\n"
    "www,BACKEND,3,2,3029,110,220,6,UP,1,9,,3029,http,\n"
    "raw,BACKEND,0,1,50,10,20,0,UP,1,,,,tcp,\n";

static bool never(void *ctx, const char *key)
{
    return false;
}

static bool always(void *ctx, const char *key)
{
    return true;
}

static void reads_states_and_connections(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec present = VEC_OF(struct balance_present);
    struct error error;
    assert_true(balance_answer_state(arena, STATE, &present, &error));
    assert_true(balance_answer_conn(CONN, &present, &error));
    assert_int_equal(present.length, 2);
    const struct balance_present *first = vec_at(&present, 0), *second = vec_at(&present, 1);
    assert_string_equal(first->key, "www/w1");
    assert_true(first->drain && !first->maint && first->checked && first->up && first->known);
    assert_int_equal(first->address, 0x7f000001);
    assert_int_equal(first->port, 9001);
    assert_int_equal(first->used, 7);
    assert_true(!second->drain && second->maint && !second->checked && !second->up);
    assert_int_equal(second->used, -1);
    vec_free(&present);
}

/* Cut anywhere or with any byte changed, a text is read or refused; never more servers come out than went in.
 */
static void survives_damaged_answers(void **state)
{
    struct error error;
    for (size_t i = 0; i < 2 * strlen(STATE); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct vec present = VEC_OF(struct balance_present);
        char *text = arena_strdup(arena, STATE), *conn = arena_strdup(arena, CONN);
        text[i / 2] = i % 2 ? ' ' : 0;
        conn[(i / 2) % strlen(CONN)] = i % 2 ? '\n' : 0;
        if (balance_answer_state(arena, text, &present, &error)) {
            assert_true(present.length <= 2);
            if (!balance_answer_conn(conn, &present, &error)) assert_int_equal(error.code, ERROR_FAILED);
        } else {
            assert_int_equal(present.length, 0);
        }
        vec_free(&present);
    }
    for (size_t i = 0; i < 2 * strlen(STAT); i++) {
        CLEANUP_MEM char *text = mem_strdup(STAT);
        struct vec counters = VEC_OF(struct balance_counters);
        text[i / 2] = i % 2 ? '"' : 0;
        if (!balance_answer_stat(text, &counters, &error)) assert_int_equal(counters.length, 0);
        assert_true(counters.length <= 3);
        vec_free(&counters);
    }
}

static void refuses_what_is_no_answer(void **state)
{
    static const char *const WRONG[] = {"",
                                        "2\n",
                                        "Unknown command\n",
                                        "1\n3 www 1 w1 127.0.0.1 2\n",
                                        "1\n3 www 1 w1 127.0.0.1 x 8 1 1 0 15 3 2 6 0 0 0 - 9001 -\n",
                                        "1\n3 www 1 w1 127.0.0.1 2 8 1 1 0 15 3 2 6 0 0 0 - 70000 -\n",
                                        "1\n3 www 1 ../w1 127.0.0.1 2 8 1 1 0 15 3 2 6 0 0 0 - 9001 -\n"};
    for (size_t i = 0; i < LENGTH(WRONG); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct vec present = VEC_OF(struct balance_present);
        struct error error;
        assert_false(balance_answer_state(arena, WRONG[i], &present, &error));
        assert_int_equal(present.length, 0);
        vec_free(&present);
    }
}

static void reads_totals(void **state)
{
    struct vec counters = VEC_OF(struct balance_counters);
    struct error error;
    assert_true(balance_answer_stat(STAT, &counters, &error));
    assert_int_equal(counters.length, 3);
    const struct balance_counters *server = vec_at(&counters, 0), *www = vec_at(&counters, 1),
                                  *raw = vec_at(&counters, 2);
    assert_string_equal(server->server, "w1");
    assert_int_equal(server->open, 2);
    assert_string_equal(www->frontend, "www");
    assert_string_equal(www->server, "");
    assert_int_equal(www->units, 3029); /* requests */
    assert_int_equal(www->queued, 3);
    assert_int_equal(www->refused, 6);
    assert_int_equal(www->failed, 9);
    assert_int_equal(www->bytes, 330);
    assert_int_equal(raw->units, 50); /* connections */
    vec_free(&counters);
}

static void read_line(const char *text, bool good, struct balance_sample *ret_sample)
{
    static char line[BALANCE_LINE_SIZE + 1];
    snprintf(line, sizeof(line), "%s", text);
    assert_int_equal(balance_line_read(line, ret_sample), good);
}

/* As HAProxy 2.6.12 writes them. */
static void reads_lines(void **state)
{
    struct balance_sample sample;
    read_line("www web-1 200 28 1 0 4100 4242 76 74", true, &sample);
    assert_string_equal(sample.frontend, "www");
    assert_string_equal(sample.server, "web-1");
    assert_int_equal(sample.status, 200);
    assert_int_equal(sample.weight, 28);
    assert_int_equal(sample.queue_us, 1000);
    assert_int_equal(sample.head_us, 4100);
    assert_int_equal(sample.all_us, 4242);
    assert_int_equal(sample.bytes, 150);
    read_line("www <NOSRV> 503 1 -1 -1 - 904320 217 74", true, &sample);
    assert_string_equal(sample.server, "");
    assert_int_equal(sample.head_us, -1);
}

static void refuses_what_is_no_line(void **state)
{
    static const char *const WRONG[] = {
        "",
        " ",
        "www",
        "www web-1 200 28 1 0 4100 4242 76",      /* one too few */
        "www web-1 200 28 1 0 4100 4242 76 74 1", /* one too many */
        "www  web-1 200 28 1 0 4100 4242 76 74",
        "../x web-1 200 28 1 0 4100 4242 76 74", /* no name */
        "www <none> 200 28 1 0 4100 4242 76 74",
        "www web-1 1000 28 1 0 4100 4242 76 74", /* no status */
        "www web-1 200 0 1 0 4100 4242 76 74",   /* it stands for none */
        "www web-1 200 - 1 0 4100 4242 76 74",
        "www web-1 200 1000001 1 0 4100 4242 76 74",
        "www web-1 200 28 1 0 4100 - 76 74",
        "www web-1 200 28 1 0 -4100 4242 76 74",
        "www web-1 200 28 1 0 4100 9999999999999 76 74",
        "www web-1 200 28 1 0 4100 4242 - 74",
        "www web-1 200 28 1 0 4100 4242 9223372036854775807 9223372036854775807",
        "www web-1 200 28 1 0 4100 4242 76 0x4a",
        "www web-1 200 28 1 0 4100 4242 76 74\n",
    };
    struct balance_sample sample = {.weight = 77};
    for (size_t i = 0; i < LENGTH(WRONG); i++)
        read_line(WRONG[i], false, &sample);
    assert_int_equal(sample.weight, 77);
}

static void expect_commands(const struct balance_frontend *frontend, const char *text,
                            bool (*force)(void *ctx, const char *key), const char *const *wanted)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct vec present = VEC_OF(struct balance_present), commands = VEC_OF(struct balance_command);
    struct error error;
    size_t leaving, length = 0;
    assert_true(balance_answer_state(arena, text, &present, &error));
    balance_difference(frontend, 1, &present, force, NULL, &commands, &leaving);
    for (; wanted[length]; length++) {
        assert_true(length < commands.length);
        assert_string_equal(((struct balance_command *)vec_at(&commands, length))->text, wanted[length]);
    }
    assert_int_equal(commands.length, length);
    vec_free(&present);
    vec_free(&commands);
}

static void makes_the_difference(void **state)
{
    struct balance_server servers[] = {{"w1", 0x7f000001, 9001, true}, {"w2", 0x7f000002, 9002, false}};
    struct balance_frontend frontend = {.name = "www",
                                        .publish = "",
                                        .health_path = "",
                                        .health_every_ms = 1000,
                                        .health_fails = 3,
                                        .servers = servers,
                                        .servers_length = 2};
    expect_commands(&frontend, STATE, never,
                    (const char *const[]){"enable health www/w2", "set server www/w2 state ready", NULL});
    expect_commands(
        &frontend, "1\n", never,
        (const char *const[]){
            "add server www/w1 127.0.0.1:9001 check inter 1000 fastinter 200 downinter 200 rise 1 fall 3"
            " observe layer4 error-limit 2 on-error mark-down",
            "enable health www/w1", "set server www/w1 state drain",
            "add server www/w2 127.0.0.2:9002 check inter 1000 fastinter 200 downinter 200 rise 1 fall 3"
            " observe layer4 error-limit 2 on-error mark-down",
            "enable health www/w2", "set server www/w2 state ready", NULL});
    frontend.servers_length = 0;
    expect_commands(&frontend, STATE, never,
                    (const char *const[]){"set server www/w1 state maint", "del server www/w1",
                                          "del server www/w2", NULL});
    expect_commands(&frontend, STATE, always,
                    (const char *const[]){"set server www/w1 state maint", "shutdown sessions server www/w1",
                                          "del server www/w1", "shutdown sessions server www/w2",
                                          "del server www/w2", NULL});
    /* The same name at another address: the old one goes first, the new one comes in a later round. */
    frontend.servers_length = 1;
    servers[0] = (struct balance_server){"w1", 0x7f000009, 9001, false};
    expect_commands(&frontend, "1\n3 www 1 w1 127.0.0.1 2 0 1 1 0 15 3 2 6 0 0 0 - 9001 - 0 0 - - 0\n", never,
                    (const char *const[]){"set server www/w1 state maint", "del server www/w1", NULL});
}

static void writes_the_golden_configuration(void **state)
{
    static const char GOLDEN[] =
        "    option redispatch 1\n"
        "\nfrontend www\n    mode http\n    bind 10.0.0.2:80\n    bind fd@3\n"
        "    option forwardfor\n    option idle-close-on-response\n"
        "    log global\n    log-format \"%b %s %ST %[var(txn.w)] %Tw %Tc %[var(txn.t1),sub(txn.t0)]"
        " %[date(0,us),sub(txn.t0)] %B %U\"\n"
        "    http-request set-var(txn.t0) date(0,us)\n"
        "    http-request set-var(txn.w) fe_req_rate,div(33),add(1)\n"
        "    http-request set-var(txn.chance) rand,mod(txn.w)\n"
        "    http-request set-log-level silent if { var(txn.chance) -m int gt 0 }\n"
        "    http-response set-var(txn.t1) date(0,us)\n    default_backend www\n"
        "\nbackend www\n    mode http\n    balance leastconn\n"
        "    option http-keep-alive\n    http-reuse safe\n"
        "    retry-on conn-failure empty-response\n"
        "    http-request disable-l7-retry unless"
        " { method GET HEAD PUT DELETE OPTIONS TRACE }\n"
        "    option httpchk\n"
        "    http-check send meth GET uri '/a%20b%27%0A%23' ver HTTP/1.1 hdr Host croft\n"
        "    http-check expect status 200-399\n"
        "    server web-1 10.0.0.3:8080 check inter 500 fastinter 200 downinter 200 rise 1 fall 2"
        " observe layer4 error-limit 2 on-error mark-down\n"
        "\nfrontend inner\n    mode http\n    bind 10.0.0.2:81\n";
    static const char GOLDEN_TCP[] =
        "\nfrontend db\n    mode tcp\n    bind 10.0.0.2:5432\n    bind fd@4\n"
        "    timeout client 1h\n    option clitcpka\n"
        "    log global\n    log-format \"%b %s 0 %[var(txn.w)] %Tw %Tc %[date(0,us),sub(txn.t0)]"
        " %[date(0,us),sub(txn.t0)] %B %U\"\n"
        "    tcp-request content set-var(txn.t0) date(0,us)\n"
        "    tcp-request content set-var(txn.w) fe_sess_rate,div(33),add(1)\n"
        "    tcp-request content set-var(txn.chance) rand,mod(txn.w)\n"
        "    tcp-request content set-log-level silent if { var(txn.chance) -m int gt 0 }\n"
        "    default_backend db\n"
        "\nbackend db\n    mode tcp\n    balance leastconn\n"
        "    timeout server 1h\n    option srvtcpka\n";
    const struct balance_server servers[] = {
        {"web-1", 0x0a000003, 8080, false}, {"web-2", 0x0a000004, 8080, true}}; /* drains: it is told later */
    const struct balance_frontend frontends[] = {
        {.name = "www",
         .mode = BALANCE_HTTP,
         .port = 80,
         .publish = "1.2.3.4:80",
         .health_path = "/a b'\n#",
         .health_every_ms = 500,
         .health_fails = 2,
         .servers = servers,
         .servers_length = 2},
        {.name = "inner", .mode = BALANCE_HTTP, .port = 81, .publish = "", .health_path = ""},
        {.name = "db", .mode = BALANCE_TCP, .port = 5432, .publish = "1.2.3.4:5432", .health_path = ""}};
    const struct personality personality = {
        .address = 0x0a000002, .frontends = frontends, .frontends_length = 3};
    CLEANUP_BUF struct buf text = {0};
    balance_config_write(&personality, &text);
    assert_non_null(strstr(buf_text(&text), GOLDEN));
    assert_true(text_ends(buf_text(&text), GOLDEN_TCP));
    assert_true(text_starts(buf_text(&text), "global\n    nbthread 1\n    maxconn 1000\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_states_and_connections),
        cmocka_unit_test(survives_damaged_answers),
        cmocka_unit_test(refuses_what_is_no_answer),
        cmocka_unit_test(reads_totals),
        cmocka_unit_test(reads_lines),
        cmocka_unit_test(refuses_what_is_no_line),
        cmocka_unit_test(makes_the_difference),
        cmocka_unit_test(writes_the_golden_configuration),
    };
    return cmocka_run_group_tests_name("balance text", tests, NULL, NULL);
}
