/* A picture a farm: demand, capacity, and below them what came late or was refused. Columns of as many
 * minutes as fit; of each the most. */
#include "plan/share/number.h"
#include "replay/replay.h"

enum { WIDTH = 1000, LEFT = 70, RIGHT = 20, PANEL = 230, CURVES = 150, LATE = 34, TOP = 50 };

struct panel {
    const struct replay_result *farm;
    size_t columns, per_column; /* minutes */
    double most;                /* units a second at the upper edge */
    int y;
};

static void add_panel(const struct panel *panel, struct buf *ret_svg);
static void add_curve(const struct panel *panel, bool capacity, struct buf *ret_svg);
static void add_late(const struct panel *panel, struct buf *ret_svg);
static void add_days(const struct panel *panel, struct buf *ret_svg);
static double most_of(const struct panel *panel, size_t column, bool capacity);
static double round_up(double value);
static double x_of(const struct panel *panel, size_t column);

void replay_plot(const struct replay_report *report, const char *title, struct buf *ret_svg)
{
    int height = TOP + (int)report->length * PANEL;

    buf_printf(ret_svg,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
               "font-family=\"system-ui, sans-serif\" font-size=\"12\">\n"
               "<style>text{fill:#333}.axis{stroke:#8886;fill:none}.capacity{stroke:#3b7dd8;fill:#3b7dd822}"
               ".demand{stroke:#222;fill:none}.late{fill:#c8401e}"
               "@media(prefers-color-scheme:dark){text{fill:#ddd}.demand{stroke:#eee}}</style>\n<title>",
               WIDTH, height, WIDTH, height);
    buf_add_xml(ret_svg, title);
    buf_printf(ret_svg, "</title>\n<text x=\"%d\" y=\"24\" font-size=\"15\">policy ", LEFT);
    buf_add_xml(ret_svg, title);
    buf_printf(ret_svg, ": %.0f server hours, %.0f late, %.0f refused, %lld bad minutes</text>\n",
               report->total.server_s / 3600, report->total.late, report->total.refused,
               (long long)report->total.violation_minutes);
    for (size_t i = 0; i < report->length; i++) {
        struct panel panel = {.farm = &report->farms[i], .y = TOP + (int)i * PANEL};
        panel.per_column = panel.farm->minutes_length / (WIDTH - LEFT - RIGHT) + 1;
        panel.columns = (panel.farm->minutes_length + panel.per_column - 1) / panel.per_column;
        for (size_t k = 0; k < panel.columns; k++)
            panel.most =
                number_max(panel.most, number_max(most_of(&panel, k, true), most_of(&panel, k, false)));
        panel.most = round_up(panel.most);
        add_panel(&panel, ret_svg);
    }
    buf_add_text(ret_svg, "</svg>\n");
}

static void add_panel(const struct panel *panel, struct buf *ret_svg)
{
    int bottom = panel->y + 24 + CURVES;

    buf_printf(ret_svg, "<text x=\"%d\" y=\"%d\">", LEFT, panel->y + 14);
    buf_add_xml(ret_svg, panel->farm->name);
    buf_add_text(ret_svg,
                 ": demand (line) and capacity (area), a second; below, the part late or refused</text>\n");
    add_days(panel, ret_svg);
    for (int n = 0; n <= 2; n++)
        buf_printf(
            ret_svg,
            "<path class=\"axis\" d=\"M%d %dH%d\"/><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%g</text>\n",
            LEFT, bottom - n * CURVES / 2, WIDTH - RIGHT, LEFT - 6, bottom - n * CURVES / 2 + 4,
            panel->most * n / 2);
    add_curve(panel, true, ret_svg);
    add_curve(panel, false, ret_svg);
    add_late(panel, ret_svg);
}

static void add_curve(const struct panel *panel, bool capacity, struct buf *ret_svg)
{
    int bottom = panel->y + 24 + CURVES;

    if (panel->columns == 0) return;
    buf_printf(ret_svg, "<path class=\"%s\" d=\"M%.1f %d", capacity ? "capacity" : "demand", x_of(panel, 0),
               bottom);
    for (size_t k = 0; k < panel->columns; k++)
        buf_printf(ret_svg, "%c%.1f %.1f", k || capacity ? 'L' : 'M', x_of(panel, k),
                   bottom - most_of(panel, k, capacity) / panel->most * CURVES);
    if (capacity) buf_printf(ret_svg, "V%dZ", bottom);
    buf_add_text(ret_svg, "\"/>\n");
}

/* Up to a tenth: beyond it the bar is full. */
static void add_late(const struct panel *panel, struct buf *ret_svg)
{
    int bottom = panel->y + 24 + CURVES + 4 + LATE;

    buf_printf(
        ret_svg,
        "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">10 %%</text><path class=\"axis\" d=\"M%d %dH%d\"/>"
        "<path class=\"late\" d=\"",
        LEFT - 6, bottom - LATE + 12, LEFT, bottom, WIDTH - RIGHT);
    for (size_t k = 0; k < panel->columns; k++) {
        double bad = 0;
        for (size_t m = k * panel->per_column;
             m < (k + 1) * panel->per_column && m < panel->farm->minutes_length; m++)
            bad = number_max(bad, (double)(panel->farm->minutes[m].late + panel->farm->minutes[m].refused));
        if (bad < 0.001) continue;
        buf_printf(ret_svg, "M%.1f %dv%.1fh1V%dz", x_of(panel, k), bottom, -number_min(bad / 0.1, 1) * LATE,
                   bottom);
    }
    buf_add_text(ret_svg, "\"/>\n");
}

static void add_days(const struct panel *panel, struct buf *ret_svg)
{
    enum { MINUTES_A_DAY = 1440 };
    for (size_t m = 0; m < panel->farm->minutes_length; m += MINUTES_A_DAY) {
        double x = x_of(panel, m / panel->per_column);
        buf_printf(ret_svg,
                   "<path class=\"axis\" d=\"M%.1f %dv%d\"/><text x=\"%.1f\" y=\"%d\">day %zu</text>\n", x,
                   panel->y + 24, CURVES + 4 + LATE, x + 3, panel->y + 24 + CURVES + LATE + 18,
                   m / MINUTES_A_DAY + 1);
    }
}

static double most_of(const struct panel *panel, size_t column, bool capacity)
{
    double most = 0;
    for (size_t m = column * panel->per_column;
         m < (column + 1) * panel->per_column && m < panel->farm->minutes_length; m++) {
        const struct replay_minute *minute = &panel->farm->minutes[m];
        most = number_max(most, capacity ? (double)minute->instances * panel->farm->capacity
                                         : (double)minute->rate);
    }
    return most;
}

/* 1, 2 or 5 times a power of ten. */
static double round_up(double value)
{
    double unit = 1;
    while (unit * 10 < value)
        unit *= 10;
    return value <= unit ? unit : value <= 2 * unit ? 2 * unit : value <= 5 * unit ? 5 * unit : 10 * unit;
}

static double x_of(const struct panel *panel, size_t column)
{
    return LEFT + (double)column * (WIDTH - LEFT - RIGHT) / (double)(panel->columns ? panel->columns : 1);
}
