/* SPDX-License-Identifier: MIT */
/* The ladder as a page: the drawing, and beside it what happens at each step, both states and
 * both TCBs. The arrow keys go forward and back; pointing at an arrow, tapping it, or reaching it
 * with the tab key tells why it was sent and what it did. The page needs nothing from anywhere
 * else.
 */
#include <stdlib.h>

#include "observe/html_page.h"
#include "observe/json.h"
#include "observe/svg.h"

static const char *const tcb_fields[] = {"SND.UNA", "SND.NXT", "SND.WND", "RCV.NXT", "RCV.WND"};

enum { TCB_FIELDS = sizeof tcb_fields / sizeof tcb_fields[0] };

/* What is known of both ends while the steps are walked. */
struct html_ends {
    enum duet_state state[DUET_RECORDER_ENDS];
    bool inferred[DUET_RECORDER_ENDS];
    struct ladder_tcb tcb[DUET_RECORDER_ENDS];
};

static void put_lines(FILE *to, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(to, "%s\n", lines[i]);
}

/* ---- the data of the steps ---- */

static void put_tcb(FILE *to, const struct ladder_tcb *tcb)
{
    struct words words;

    if (!tcb->known) {
        fputs("null", to);
        return;
    }
    for (unsigned i = 0; i < TCB_FIELDS; i++) {
        words_clear(&words);
        switch (i) {
        case 0:
            words_number(&words, tcb->una);
            break;
        case 1:
            words_number(&words, tcb->nxt);
            break;
        case 2:
            words_add(&words, "%u", tcb->wnd);
            break;
        case 3:
            words_number(&words, tcb->rcv_nxt);
            break;
        default:
            words_add(&words, "%u", tcb->rcv_wnd);
            break;
        }
        fprintf(to, "%s\"%s\":\"%s\"", i == 0 ? "{" : ",", tcb_fields[i], words.text);
    }
    fputc('}', to);
}

static void title(struct words *words, const struct ladder *ladder,
                  const struct ladder_moment *moment)
{
    const struct ladder_arrow *arrow;

    words_clear(words);
    if (moment->end != LADDER_BOTH_ENDS)
        words_add(words, "%s: ", ladder->recorder->ends[moment->end].name);
    if (moment->kind != LADDER_DEPARTURE && moment->kind != LADDER_ARRIVAL) {
        words_title(words, moment);
        return;
    }
    arrow = &ladder->arrows[moment->arrow];
    words_flags(words, arrow);
    words_add(words, moment->kind == LADDER_ARRIVAL ? " arrives"
                     : arrow->lost != DUET_NEVER    ? " leaves, and is lost"
                                                    : " leaves");
    if (arrow->tag != 0)
        words_add(words, " (packet #%u)", arrow->tag);
}

static void put_sentence(FILE *to, const char **separator, const struct words *words)
{
    if (words->length == 0)
        return;
    fputs(*separator, to);
    json_text(to, words->text);
    *separator = ",";
}

/* The paragraphs beside the picture: header, what is unusual, then every rule. */
static void put_say(FILE *to, const struct ladder *ladder, const struct ladder_moment *moment)
{
    const struct ladder_arrow *arrow =
        moment->arrow == LADDER_NONE ? NULL : &ladder->arrows[moment->arrow];
    const char *separator = "";
    struct words words, field;

    fputc('[', to);
    if (arrow != NULL && (moment->kind == LADDER_DEPARTURE || arrow->injected)) {
        words_clear(&words);
        for (unsigned i = 0; words_field(&field, ladder, arrow, i); i++)
            if (field.length > 0)
                words_add(&words, "%s%s", words.length > 0 ? ", " : "", field.text);
        words_add(&words, " ");
        words_options(&words, arrow, true);
        put_sentence(to, &separator, &words);
        words_clear(&words);
        words_faults(&words, arrow);
        put_sentence(to, &separator, &words);
        words_clear(&words);
        words_rule(&words, arrow->rule);
        put_sentence(to, &separator, &words);
    }
    for (unsigned i = 0; i < moment->rule_count; i++) {
        words_clear(&words);
        if (moment->kind == LADDER_ARRIVAL)
            words_add(&words, "%s: ", ladder->recorder->ends[moment->end].name);
        words_rule(&words, moment->rules[i]);
        put_sentence(to, &separator, &words);
    }
    words_clear(&words);
    words_window(&words, moment);
    put_sentence(to, &separator, &words);
    words_clear(&words);
    words_wait(&words, moment);
    put_sentence(to, &separator, &words);
    fputc(']', to);
}

static void put_step(FILE *to, const struct svg_layout *layout, const struct svg_item *item,
                     struct html_ends *ends)
{
    const struct ladder *ladder = layout->ladder;
    const struct ladder_moment *moment = &ladder->moments[item->moment];
    struct words words;

    if (moment->end != LADDER_BOTH_ENDS) {
        ends->state[moment->end] = moment->after;
        ends->inferred[moment->end] = moment->inferred;
        ends->tcb[moment->end] = moment->tcb;
    }
    fprintf(to, "{\"y\":%d,\"arrow\":%ld,\"time\":\"", item->y,
            moment->arrow == LADDER_NONE ? -1L : (long)moment->arrow);
    words_clear(&words);
    words_instant(&words, ladder, moment->time);
    fprintf(to, "%s\",\"title\":", words.text);
    title(&words, ladder, moment);
    json_text(to, words.text);
    fputs(",\"say\":", to);
    put_say(to, ladder, moment);
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        words_clear(&words);
        words_state(&words, ends->state[end], ends->inferred[end]);
        fprintf(to, "%s\"%s\"", end == 0 ? ",\"state\":[" : ",", words.text);
    }
    fprintf(to, "],\"colour\":[\"%s\",\"%s\"],\"tcb\":[", svg_state_colour(ends->state[0]),
            svg_state_colour(ends->state[1]));
    put_tcb(to, &ends->tcb[0]);
    fputc(',', to);
    put_tcb(to, &ends->tcb[1]);
    fputs("]}", to);
}

static void put_steps(FILE *to, const struct svg_layout *layout)
{
    struct html_ends ends = {.state = {DUET_CLOSED, DUET_CLOSED}};
    const char *separator = "";

    for (size_t i = layout->ladder->moment_count;
         i-- > 0;) { /* the first moment of each end is written last */
        const struct ladder_moment *moment = &layout->ladder->moments[i];

        if (moment->end != LADDER_BOTH_ENDS) {
            ends.state[moment->end] = moment->before;
            ends.inferred[moment->end] = moment->inferred;
        }
    }
    fputs("const steps=[", to);
    for (size_t i = 0; i < layout->item_count; i++) {
        if (layout->items[i].moment == LADDER_NONE)
            continue;
        fputs(separator, to);
        put_step(to, layout, &layout->items[i], &ends);
        separator = ",\n";
    }
    fputs("];\nconst fields=[", to);
    for (unsigned i = 0; i < TCB_FIELDS; i++)
        fprintf(to, "%s\"%s\"", i == 0 ? "" : ",", tcb_fields[i]);
    fputs("];\n", to);
}

/* ---- the page ---- */

static void put_panel(FILE *to, const struct duet_recorder *recorder)
{
    fputs("<aside aria-live=\"polite\">\n<div class=\"buttons\"><button id=\"back\">&#9664; "
          "back</button>"
          "<button id=\"next\">next &#9654;</button><span id=\"count\"></span></div>\n"
          "<h2 id=\"title\"></h2><div id=\"time\" class=\"keys\"></div>\n<div class=\"states\">",
          to);
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        fprintf(to, "<div id=\"box%u\"><small>", end);
        svg_text(to, recorder->ends[end].name);
        fprintf(to, "</small><b id=\"state%u\"></b></div>", end);
    }
    fputs("</div>\n<div id=\"say\"></div>\n<table><tr><th></th>", to);
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        fputs("<th>", to);
        svg_text(to, recorder->ends[end].name);
        fputs("</th>", to);
    }
    fputs("</tr>\n", to);
    for (unsigned i = 0; i < TCB_FIELDS; i++)
        fprintf(to, "<tr><th>%s</th><td id=\"%s0\"></td><td id=\"%s1\"></td></tr>\n", tcb_fields[i],
                tcb_fields[i], tcb_fields[i]);
    fputs("</table>\n<p class=\"keys\"><kbd>&#8594;</kbd> <kbd>&#8592;</kbd> step, <kbd>Home</kbd> "
          "<kbd>End</kbd>; "
          "point at an arrow for its why.</p>\n</aside>\n",
          to);
}

static void put_summary(FILE *to, const struct ladder *ladder)
{
    struct words words;
    const char *about;

    fputs("<dl>", to);
    for (unsigned i = 0; words_summary(&words, ladder, i, &about); i++) {
        if (words.length == 0)
            continue;
        fprintf(to, "<dt>%s</dt><dd>", about);
        svg_text(to, words.text);
        fputs("</dd>", to);
    }
    fputs("</dl>\n", to);
}

static void put_head(FILE *to, const struct ladder *ladder,
                     const struct duet_ladder_options *options)
{
    const char *name = options->title == NULL ? "A TCP connection" : options->title;

    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          to);
    svg_text(to, name);
    fputs("</title>\n<style>\n", to);
    put_lines(to, html_style, sizeof html_style / sizeof html_style[0]);
    fputs("</style>\n</head>\n<body>\n<header><h1>", to);
    svg_text(to, name);
    fputs("</h1>\n", to);
    if (options->lesson != NULL) {
        fputs("<p>", to);
        svg_text(to, options->lesson);
        fputs("</p>\n", to);
    }
    put_summary(to, ladder);
    fputs("</header>\n<main>\n<div class=\"picture\">\n", to);
}

int duet_ladder_html(const struct duet_recorder *recorder,
                     const struct duet_ladder_options *options, FILE *to)
{
    struct ladder ladder;
    struct svg_layout layout;

    if (ladder_make(recorder, options->absolute, &ladder) != 0)
        return -1;
    if (svg_layout_make(&ladder, svg_top(options, false), &layout) != 0) {
        ladder_free(&ladder);
        return -1;
    }
    put_head(to, &ladder, options);
    svg_write(&layout, options, false, to);
    fputs("</div>\n", to);
    put_panel(to, recorder);
    fputs("</main>\n<script>\n", to);
    put_steps(to, &layout);
    put_lines(to, html_script, sizeof html_script / sizeof html_script[0]);
    fputs("</script>\n</body>\n</html>\n", to);
    svg_layout_free(&layout);
    ladder_free(&ladder);
    return ferror(to) ? -1 : 0;
}
