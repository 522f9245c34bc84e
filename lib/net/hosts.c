#include "net/hosts.h"

#include "base/scan.h"

#include <stdio.h>
#include <string.h>

enum {
	LINE_MAX_LEN = 2048, /* what is longer is no line of such a file */
};

static void
fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* The next line without comment, or false at the end. */
static bool
read_line(FILE *f, char line[LINE_MAX_LEN], struct span *line_r)
{
	struct span rest;

	if (!fgets(line, LINE_MAX_LEN, f))
		return false;
	rest = (struct span){ line, strcspn(line, "\r\n") };
	*line_r = span_cut(&rest, '#');
	return true;
}

static bool
next_word(struct span *in, struct span *word_r)
{
	take_blanks(in);
	return take_word(in, word_r);
}

static bool
has_word(struct span words, struct span wanted)
{
	struct span word;

	while (next_word(&words, &word))
		if (span_ieq(word, wanted))
			return true;
	return false;
}

/* Whether a line has the name, and an address. */
static bool
find_addr(struct span line, struct span name, struct addr *addr_r)
{
	struct span word;

	return next_word(&line, &word) && has_word(line, name) &&
	    addr_parse(word, addr_r);
}

size_t
hosts_find_in(struct span text, struct span name,
    struct addr addrs_r[HOSTS_ADDRS_MAX])
{
	size_t n = 0;

	while (text.n > 0 && n < HOSTS_ADDRS_MAX) {
		struct span rest = span_cut(&text, '\n');

		rest = trim_white(rest);
		n += find_addr(span_cut(&rest, '#'), name, &addrs_r[n]);
	}
	return n;
}

size_t
hosts_find(const char *file, struct span name,
    struct addr addrs_r[HOSTS_ADDRS_MAX])
{
	FILE *f CLEANUP(fclosep) = fopen(file, "re");
	char bytes[LINE_MAX_LEN];
	struct span line;
	size_t n = 0;

	while (f && n < HOSTS_ADDRS_MAX && read_line(f, bytes, &line))
		n += find_addr(line, name, &addrs_r[n]);
	return n;
}

bool
hosts_name(const char *file, const struct addr *addr,
    char name_r[HOSTS_NAME_MAX + 1])
{
	FILE *f CLEANUP(fclosep) = fopen(file, "re");
	char bytes[LINE_MAX_LEN];
	struct addr found;
	struct span line;
	struct span word;

	while (f && read_line(f, bytes, &line)) {
		if (!next_word(&line, &word) || !addr_parse(word, &found) ||
		    addr_cmp(&found, addr) != 0)
			continue;
		if (!next_word(&line, &word) || word.n > HOSTS_NAME_MAX)
			continue;
		memcpy(name_r, word.p, word.n);
		name_r[word.n] = '\0';
		return true;
	}
	return false;
}

static bool
is_port(struct span text, uint16_t *port_r)
{
	uint64_t n;

	if (!take_number(&text, UINT16_MAX, &n) || text.n > 0 || n == 0)
		return false;
	*port_r = (uint16_t)n;
	return true;
}

/* One element: names and, last, the port, with = between. */
static bool
find_in_element(struct span element, struct span name, uint16_t *port_r)
{
	bool found = false;

	while (element.n > 0) {
		struct span part = span_cut(&element, '=');

		if (element.n == 0)
			return found && is_port(part, port_r);
		found |= span_ieq(part, name);
	}
	return false;
}

static bool
find_known(struct span known, struct span name, uint16_t *port_r)
{
	while (known.n > 0) {
		struct span part = span_cut(&known, ',');
		struct span element;

		while (next_word(&part, &element))
			if (find_in_element(element, name, port_r))
				return true;
	}
	return false;
}

/* NAME PORT/tcp ALIAS... */
static bool
find_in_line(struct span line, struct span name, uint16_t *port_r)
{
	struct span first;
	struct span port;

	if (!next_word(&line, &first) || !next_word(&line, &port))
		return false;
	if (!span_ieq(first, name) && !has_word(line, name))
		return false;

	struct span number = span_cut(&port, '/');

	return span_ieq(port, SPAN("tcp")) && is_port(number, port_r);
}

bool
port_find(const char *file, struct span known, struct span name,
    uint16_t *port_r)
{
	FILE *f CLEANUP(fclosep) = NULL;
	char bytes[LINE_MAX_LEN];
	struct span line;

	if (is_port(name, port_r) || find_known(known, name, port_r))
		return true;
	f = fopen(file, "re");
	while (f && read_line(f, bytes, &line))
		if (find_in_line(line, name, port_r))
			return true;
	return false;
}
