#include "plan/share/surface.h"

#include "plan/share/fuzzy.h"
#include "plan/share/number.h"

/* Responses up to twice the target in twentieths, probabilities in fortieths: most of what happens is at the
 * rare end. */
enum { RESPONSES = 40, PROBABILITIES = 40, CELL = 12, LEFT = 64, TOP = 56, LEGEND = 24 };
enum { WIDTH = LEFT + RESPONSES * CELL + 110, HEIGHT = TOP + PROBABILITIES * CELL + 60 };

static double response_of(int nth);
static double probability_of(int nth);
static void add_text(struct buf *ret_svg, int x, int y, const char *anchor, const char *text);
static void add_colour(struct buf *ret_svg, double need);
static void add_legend(const struct scaling_rules *rules, struct buf *ret_svg);

void surface_csv(const struct scaling_rules *rules, enum sla_priority priority, struct buf *ret_csv)
{
    buf_add_text(ret_csv, "response,probability,need\n");
    for (int r = 0; r <= RESPONSES; r++) {
        for (int p = 0; p <= PROBABILITIES; p++) {
            struct fuzzy_inputs inputs = {response_of(r), probability_of(p), priority};
            buf_printf(ret_csv, "%.2f,%.3f,%.2f\n", inputs.response, inputs.probability,
                       fuzzy_need(rules, &inputs));
        }
    }
}

void surface_svg(const struct scaling_rules *rules, enum sla_priority priority, const char *title,
                 struct buf *ret_svg)
{
    int bottom = TOP + PROBABILITIES * CELL;

    buf_printf(ret_svg,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
               "font-family=\"system-ui, sans-serif\" font-size=\"12\">\n"
               "<style>text{fill:#333}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>\n<title>",
               WIDTH, HEIGHT, WIDTH, HEIGHT);
    buf_add_xml(ret_svg, title);
    buf_printf(ret_svg, "</title>\n<text x=\"%d\" y=\"24\" font-size=\"15\">", LEFT);
    buf_add_xml(ret_svg, title);
    buf_add_text(ret_svg, "</text>\n<g shape-rendering=\"crispEdges\">\n");
    for (int r = 0; r < RESPONSES; r++) {
        for (int p = 0; p < PROBABILITIES; p++) {
            struct fuzzy_inputs inputs = {(response_of(r) + response_of(r + 1)) / 2,
                                          (probability_of(p) + probability_of(p + 1)) / 2, priority};
            buf_printf(ret_svg, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"", LEFT + r * CELL,
                       bottom - (p + 1) * CELL, CELL, CELL);
            add_colour(ret_svg, fuzzy_need(rules, &inputs));
            buf_add_text(ret_svg, "\"/>\n");
        }
    }
    buf_add_text(ret_svg, "</g>\n");
    for (int n = 0; n <= 4; n++) {
        struct buf text = {0};
        buf_printf(&text, "%g", response_of(n * RESPONSES / 4));
        add_text(ret_svg, LEFT + n * RESPONSES / 4 * CELL, bottom + 18, "middle", buf_text(&text));
        buf_clear(&text);
        buf_printf(&text, "%g", probability_of(n * PROBABILITIES / 4));
        add_text(ret_svg, LEFT - 8, bottom - n * PROBABILITIES / 4 * CELL + 4, "end", buf_text(&text));
        buf_free(&text);
    }
    add_text(ret_svg, LEFT + RESPONSES * CELL / 2, bottom + 42, "middle",
             "expected response time, in parts of the target");
    add_text(ret_svg, LEFT, TOP - 12, "start", "probability");
    add_legend(rules, ret_svg);
    buf_add_text(ret_svg, "</svg>\n");
}

static double response_of(int nth)
{
    return 2.0 * nth / RESPONSES;
}

static double probability_of(int nth)
{
    return 1.0 * nth / PROBABILITIES;
}

static void add_legend(const struct scaling_rules *rules, struct buf *ret_svg)
{
    enum { STEPS = 20, STEP = 12 };
    int x = LEFT + RESPONSES * CELL + 24;

    for (int n = 0; n < STEPS; n++) {
        buf_printf(ret_svg, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"", x, TOP + n * STEP,
                   LEGEND, STEP);
        add_colour(ret_svg, 100 - 200.0 * (n + 0.5) / STEPS);
        buf_add_text(ret_svg, "\"/>\n");
    }
    const int64_t marks[] = {100, rules->request_above, 0, rules->offer_below, -100};
    const char *const words[] = {"need 100", "request", "0", "offer", "-100"};
    for (int n = 0; n < 5; n++)
        add_text(ret_svg, x + LEGEND + 6, TOP + 4 + (int)((100 - marks[n]) * STEPS * STEP / 200), "start",
                 words[n]);
}

static void add_text(struct buf *ret_svg, int x, int y, const char *anchor, const char *text)
{
    buf_printf(ret_svg, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
    buf_add_xml(ret_svg, text);
    buf_add_text(ret_svg, "</text>\n");
}

/* Blue offers, red requests, between them grey: told apart by people who do not see red and green apart too.
 */
static void add_colour(struct buf *ret_svg, double need)
{
    static const double ends[2][3] = {{33, 102, 172}, {190, 50, 40}}, middle[3] = {222, 222, 218};
    const double *end = ends[need > 0];
    double part = number_min(need > 0 ? need / 80 : -need / 80, 1);
    int colour[3];

    for (int i = 0; i < 3; i++)
        colour[i] = (int)(middle[i] + (end[i] - middle[i]) * part + 0.5);
    buf_printf(ret_svg, "#%02x%02x%02x", (unsigned)colour[0], (unsigned)colour[1], (unsigned)colour[2]);
}
