#include "imapd/format/structure.h"
#include "mail/addrlist.h"

/* "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" */
static void
put_address(struct out *o, const struct addrlist_item *item)
{
	struct span mailbox = item->mailbox;
	struct span host = item->domain;

	if (item->kind == ADDRLIST_MAILBOX && mailbox.n == 0)
		mailbox = SPAN("MISSING_MAILBOX");
	if (item->kind == ADDRLIST_MAILBOX && host.n == 0)
		host = SPAN("MISSING_DOMAIN");
	out_put(o, SPAN("("));
	out_nstring(o, item->name);
	out_put(o, SPAN(" "));
	out_nstring(o, item->route);
	out_put(o, SPAN(" "));
	out_nstring(o, mailbox);
	out_put(o, SPAN(" "));
	out_nstring(o, host);
	out_put(o, SPAN(")"));
}

/* "(" 1*address ")" / NIL; without blanks between them. */
static void
put_addresses(struct out *o, struct span field, char *scratch)
{
	struct addrlist list;
	struct addrlist_item item;
	bool any = false;

	addrlist_init(&list, field, scratch, STRUCTURE_SCRATCH);
	while (addrlist_next(&list, &item)) {
		if (!any)
			out_put(o, SPAN("("));
		any = true;
		put_address(o, &item);
	}
	out_put(o, any ? SPAN(")") : SPAN("NIL"));
}

void
out_envelope(struct out *o, const struct mime_envelope *e, char *scratch)
{
	for (size_t i = 0; i < MIME_ENVELOPE_N; i++) {
		struct span field = e->fields[i];

		/* Who sent it, if not told, is who wrote it. */
		if ((i == MIME_SENDER || i == MIME_REPLY_TO) && field.n == 0)
			field = e->fields[MIME_FROM];
		out_put(o, i == 0 ? SPAN("(") : SPAN(" "));
		if (i >= MIME_FROM && i <= MIME_BCC)
			put_addresses(o, field, scratch);
		else
			out_nstring(o, field);
	}
	out_put(o, SPAN(")"));
}
