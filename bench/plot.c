/* SPDX-License-Identifier: MIT */
/* SVG with logarithmic axes, drawn so that it is readable on light and on dark pages. See plot.h. */
#include "plot.h"

enum { LEFT = 80, TOP = 30, WIDTH = 520, HEIGHT = 300, DECADES_X = 6, DECADES_Y = 6, FIRST_Y = 2 };

/* How many decades above 1; a digit of it is found by halving, so that no library is needed. */
static double decades(double value)
{
    double whole = 0, part = 0.5;

    while (value >= 10) {
        value /= 10;
        whole++;
    }
    for (int i = 0; i < 20; i++, part /= 2) {
        value *= value;
        if (value >= 10) {
            value /= 10;
            whole += part;
        }
    }
    return whole;
}

static double place_x(double connections)
{
    return LEFT + decades(connections) * WIDTH / DECADES_X;
}

static double place_y(double ns)
{
    return TOP + HEIGHT - (decades(ns) - FIRST_Y) * HEIGHT / DECADES_Y;
}

static void axes(FILE *to)
{
    static const char *const times[DECADES_Y + 1] = {"100 ns", "1 µs",  "10 µs", "100 µs",
                                                     "1 ms",   "10 ms", "100 ms"};
    static const char *const counts[DECADES_X + 1] = {"1", "10", "100", "1k", "10k", "100k", "1M"};

    for (int i = 0; i <= DECADES_Y; i++) {
        const int y = TOP + HEIGHT - i * HEIGHT / DECADES_Y;

        fprintf(to, "<path class=\"grid\" d=\"M%d %dh%d\"/>", LEFT, y, WIDTH);
        fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LEFT - 8, y + 4,
                times[i]);
    }
    for (int i = 0; i <= DECADES_X; i++) {
        const int x = LEFT + i * WIDTH / DECADES_X;

        fprintf(to, "<path class=\"grid\" d=\"M%d %dv%d\"/>", x, TOP, HEIGHT);
        fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x,
                TOP + HEIGHT + 18, counts[i]);
    }
    fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">open connections</text>\n",
            LEFT + WIDTH / 2, TOP + HEIGHT + 38);
}

static void line(FILE *to, const struct plot_point *points, size_t count, unsigned which)
{
    static const char *const names[2] = {"duet", "lwIP"};
    double x = 0, y = 0;

    fprintf(to, "<path class=\"%s\" d=\"", names[which]);
    for (size_t i = 0, drawn = 0; i < count; i++) {
        if (points[i].ns[which] <= 0)
            continue;
        x = place_x(points[i].connections);
        y = place_y(points[i].ns[which]);
        fprintf(to, "%c%.1f %.1f", drawn++ == 0 ? 'M' : 'L', x, y);
    }
    fprintf(to, "\"/>\n<text class=\"%s-name\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", names[which],
            x + 8, y + 4, names[which]);
}

void bench_plot(FILE *to, const struct plot_point *points, size_t count)
{
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n"
            "<title>Time of a request and its answer by the number of open connections</title>\n"
            "<style>text{font:12px sans-serif;fill:#888}.grid{stroke:#8884;fill:none}"
            ".duet,.lwIP{fill:none;stroke-width:2.5}.duet{stroke:#2a7de1}.lwIP{stroke:#d1622b}"
            ".duet-name{fill:#2a7de1}.lwIP-name{fill:#d1622b}</style>\n",
            LEFT + WIDTH + 70, TOP + HEIGHT + 50);
    axes(to);
    line(to, points, count, 0);
    line(to, points, count, 1);
    fputs("</svg>\n", to);
}
