#include "replay/replay.h"

static void add_sums(const struct replay_sums *sums, struct buf *ret_json);

void replay_json(const struct replay_report *report, struct buf *ret_json)
{
    buf_add_text(ret_json, "{\"total\": {");
    add_sums(&report->total, ret_json);
    buf_add_text(ret_json, "}, \"farms\": [");
    for (size_t i = 0; i < report->length; i++) {
        buf_add_text(ret_json, i ? ", {\"name\": " : "{\"name\": ");
        buf_add_json_string(ret_json, report->farms[i].name);
        buf_add_text(ret_json, ", ");
        add_sums(&report->farms[i].sums, ret_json);
        buf_add_char(ret_json, '}');
    }
    buf_add_text(ret_json, "]}");
}

void replay_cost(const struct replay_sums *sums, struct buf *ret_text)
{
    char money[MONEY_TEXT_SIZE];
    for (size_t i = 0; i < sums->costs_length; i++)
        buf_printf(ret_text, "%s%s", i ? " + " : "", money_format_invoice(money, &sums->costs[i]));
}

static void add_sums(const struct replay_sums *sums, struct buf *ret_json)
{
    buf_printf(ret_json,
               "\"server_hours\": %.3f, \"peak_instances\": %lld, \"requests\": %.0f, "
               "\"late_requests\": %.0f, \"refused_requests\": %.0f, \"violation_minutes\": %lld, "
               "\"violation_requests\": %.0f, "
               "\"moves\": %lld, \"cost\": \"",
               sums->server_s / 3600, (long long)sums->peak, sums->requests, sums->late, sums->refused,
               (long long)sums->violation_minutes, sums->violating, (long long)sums->moves);
    replay_cost(sums, ret_json);
    buf_add_char(ret_json, '"');
}
