#include "store/dovecot.h"

#include "base/scan.h"
#include "store/keywords.h"

static bool
take_field(struct span *line, char letter, uint32_t *number_r)
{
	uint64_t n;

	take_blanks(line);
	if ((letter && !take_char(line, letter)) ||
	    !take_number(line, UINT32_MAX, &n))
		return false;
	*number_r = (uint32_t)n;
	return true;
}

bool
dovecot_take_head(struct span *text, struct dovecot_list *list_r)
{
	struct dovecot_list l = { 0 };
	struct span rest = *text, line = span_cut(&rest, '\n');
	uint64_t version;

	if (!take_number(&line, 3, &version) || version == 0 || version == 2)
		return false;
	l.version = (unsigned)version;
	if (!take_field(&line, version == 3 ? 'V' : '\0', &l.uidvalidity) ||
	    !take_field(&line, version == 3 ? 'N' : '\0', &l.next) ||
	    l.uidvalidity == 0 || l.next == 0)
		return false;
	*list_r = l;
	*text = rest;
	return true;
}

/* "12 W345 :NAME" or "12 NAME" */
static bool
take_line(struct span line, unsigned version, uint32_t *uid_r,
    struct span *stem_r)
{
	struct span word;
	uint64_t uid;

	if (!take_number(&line, UINT32_MAX, &uid) || uid == 0 ||
	    !take_char(&line, ' '))
		return false;
	while (version == 3 && line.n && line.p[0] != ':') {
		if (!take_until(&line, ' ', &word))
			return false;
	}
	if (version == 3 && !take_char(&line, ':'))
		return false;
	*uid_r = (uint32_t)uid;
	*stem_r = span_cut(&line, ':');
	return stem_r->n > 0;
}

bool
dovecot_take_uid(struct span *text, const struct dovecot_list *list,
    uint32_t *uid_r, struct span *stem_r)
{
	while (text->n) {
		struct span line = span_cut(text, '\n');

		if (take_line(line, list->version, uid_r, stem_r) &&
		    *uid_r < list->next)
			return true;
	}
	return false;
}

bool
dovecot_take_keyword(struct span *text, unsigned *n_r, struct span *keyword_r)
{
	while (text->n) {
		struct span line = span_cut(text, '\n');
		uint64_t n;

		if (!take_number(&line, STORE_KEYWORDS - 1, &n) ||
		    !take_char(&line, ' ') || !keyword_is_valid(line))
			continue;
		*n_r = (unsigned)n;
		*keyword_r = line;
		return true;
	}
	return false;
}
