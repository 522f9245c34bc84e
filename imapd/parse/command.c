#include "imapd/parse/command.h"

#include "base/scan.h"
#include "imapd/parse/frame.h"
#include "imapd/parse/parser.h"

bool
parse_fail(struct parser *p, const char *error)
{
	if (!p->error)
		p->error = error;
	return false;
}

void *
parse_alloc(struct parser *p, size_t size)
{
	void *memory = arena_alloc(p->arena, size);

	p->full |= !memory;
	return memory;
}

bool
parse_space(struct parser *p)
{
	return take_char(&p->in, ' ') || parse_fail(p, "Missing argument");
}

bool
parse_astring(struct parser *p, struct span *string_r)
{
	return imap_take_astring(&p->in, p->arena, string_r, &p->full) ||
	    parse_fail(p, "Invalid string");
}

bool
parse_set(struct parser *p, struct span *set_r)
{
	return imap_take_set(&p->in, IMAP_RANGES_MAX, set_r) ||
	    parse_fail(p, "Invalid sequence set");
}

/* Moves `n` words to the arena. */
static bool
keep_words(struct parser *p, struct imap_words *words, const struct span *list,
    size_t n)
{
	words->n = n;
	if (n == 0)
		return true;
	words->list = parse_alloc(p, n * sizeof(*list));
	if (words->list)
		memcpy(words->list, list, n * sizeof(*list));
	return words->list;
}

unsigned
imap_system_flag(struct span name)
{
	static const struct span names[] = {
		SPAN_INIT("\\Answered"),
		SPAN_INIT("\\Deleted"),
		SPAN_INIT("\\Draft"),
		SPAN_INIT("\\Flagged"),
		SPAN_INIT("\\Seen"),
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (span_ieq(name, names[i]))
			return BIT(i);
	return 0;
}

/* flag *(SP flag), up to what is none. */
static bool
parse_flags(struct parser *p)
{
	struct imap_flags *flags = &p->command->flags;
	struct span list[IMAP_FLAGS_MAX], flag;
	size_t n = 0;

	do {
		if (!imap_take_flag(&p->in, &flag))
			return parse_fail(p, "Invalid flag");
		if (*flag.p == '\\') {
			if (!imap_system_flag(flag))
				return parse_fail(p, "Invalid system flag");
			flags->system |= imap_system_flag(flag);
			continue;
		}
		if (n == IMAP_FLAGS_MAX)
			return parse_fail(p, "Too many flags");
		list[n++] = flag;
	} while (take_char(&p->in, ' '));
	return keep_words(p, &flags->keywords, list, n);
}

/* "(" [flag *(SP flag)] ")" */
static bool
parse_flag_list(struct parser *p)
{
	if (!take_char(&p->in, '('))
		return parse_fail(p, "Missing list of flags");
	if (take_char(&p->in, ')'))
		return true;
	if (!parse_flags(p))
		return false;
	return take_char(&p->in, ')') ||
	    parse_fail(p, "Missing ) after the flags");
}

static bool
parse_mailbox(struct parser *p)
{
	return parse_space(p) && parse_astring(p, &p->command->mailbox);
}

static bool
parse_nothing(struct parser *p)
{
	(void)p;
	return true;
}

/* SP mailbox [SP flag-list] [SP date-time] SP literal, whose bytes come yet. */
static bool
parse_append(struct parser *p)
{
	struct imap_command *c = p->command;
	bool sync;

	if (!parse_mailbox(p) || !parse_space(p))
		return false;
	if (p->in.n > 0 && *p->in.p == '(' &&
	    (!parse_flag_list(p) || !parse_space(p)))
		return false;
	if (p->in.n > 0 && *p->in.p == '"') {
		if (!imap_take_date_time(&p->in, &c->date))
			return parse_fail(p, "Invalid date and time");
		c->has_date = true;
		if (!parse_space(p))
			return false;
	}
	if (p->in.n == 0 || *p->in.p != '{' ||
	    !frame_literal(p->in, &c->size, &sync) ||
	    memchr(p->in.p + 1, '{', p->in.n - 1))
		return parse_fail(p, "Missing message");
	p->in.n = 0;
	return true;
}

/* SP auth-type [SP (base64 / "=")] */
static bool
parse_authenticate(struct parser *p)
{
	struct imap_command *c = p->command;

	if (!parse_space(p) || !imap_take_atom(&p->in, &c->mechanism))
		return parse_fail(p, "Missing mechanism");
	if (!take_char(&p->in, ' '))
		return true;
	return imap_take_atom(&p->in, &c->initial) ||
	    parse_fail(p, "Invalid initial response");
}

/* 1*(SP capability) */
static bool
parse_enable(struct parser *p)
{
	struct span list[IMAP_WORDS_MAX];
	size_t n = 0;

	do {
		if (n == IMAP_WORDS_MAX)
			return parse_fail(p, "Too many capabilities");
		if (!parse_space(p) || !imap_take_atom(&p->in, &list[n]))
			return parse_fail(p, "Invalid capability");
		n++;
	} while (p->in.n > 0);
	return keep_words(p, &p->command->words, list, n);
}

/* nstring */
static bool
parse_nstring(struct parser *p, struct span *string_r)
{
	*string_r = (struct span){ 0 };
	return take_text(&p->in, SPAN("NIL")) ||
	    imap_take_string(&p->in, p->arena, string_r, &p->full) ||
	    parse_fail(p, "Invalid string");
}

/* SP ("(" [string SP nstring *(SP string SP nstring)] ")" / "NIL") */
static bool
parse_id(struct parser *p)
{
	struct span list[IMAP_WORDS_MAX];
	size_t n = 0;

	if (!parse_space(p))
		return false;
	if (take_text(&p->in, SPAN("NIL")))
		return true;
	if (!take_char(&p->in, '('))
		return parse_fail(p, "ID wants a list");
	if (take_char(&p->in, ')'))
		return true;
	do {
		if (n == IMAP_WORDS_MAX)
			return parse_fail(p, "Too many fields in ID");
		if (!imap_take_string(&p->in, p->arena, &list[n], &p->full))
			return parse_fail(p, "Invalid string");
		if (!parse_space(p) || !parse_nstring(p, &list[n + 1]))
			return false;
		n += 2;
	} while (take_char(&p->in, ' '));
	if (!take_char(&p->in, ')'))
		return parse_fail(p, "Missing ) after the fields");
	return keep_words(p, &p->command->words, list, n);
}

/* SP mailbox SP list-mailbox */
static bool
parse_list(struct parser *p)
{
	return parse_mailbox(p) && parse_space(p) &&
	    (imap_take_pattern(&p->in, p->arena, &p->command->to, &p->full) ||
		parse_fail(p, "Invalid pattern"));
}

/* SP userid SP password */
static bool
parse_login(struct parser *p)
{
	struct imap_command *c = p->command;

	return parse_space(p) && parse_astring(p, &c->user) && parse_space(p) &&
	    parse_astring(p, &c->password);
}

static bool
parse_rename(struct parser *p)
{
	return parse_mailbox(p) && parse_space(p) &&
	    parse_astring(p, &p->command->to);
}

/* SP mailbox SP "(" status-att *(SP status-att) ")" */
static bool
parse_status(struct parser *p)
{
	static const struct span names[] = {
		SPAN_INIT("MESSAGES"),
		SPAN_INIT("RECENT"),
		SPAN_INIT("UIDNEXT"),
		SPAN_INIT("UIDVALIDITY"),
		SPAN_INIT("UNSEEN"),
	};
	struct span name;

	if (!parse_mailbox(p) || !parse_space(p))
		return false;
	if (!take_char(&p->in, '('))
		return parse_fail(p, "STATUS wants a list");
	do {
		unsigned item = 0;

		if (!imap_take_atom(&p->in, &name))
			return parse_fail(p, "Missing item in STATUS");
		for (size_t i = 0; i < COUNT_OF(names); i++)
			if (span_ieq(name, names[i]))
				item = BIT(i);
		if (!item)
			return parse_fail(p, "Unknown item in STATUS");
		p->command->status |= item;
	} while (take_char(&p->in, ' '));
	return take_char(&p->in, ')') ||
	    parse_fail(p, "Missing ) after the items");
}

/* SP sequence-set SP mailbox */
static bool
parse_copy(struct parser *p)
{
	return parse_space(p) && parse_set(p, &p->command->set) &&
	    parse_mailbox(p);
}

static bool
parse_expunge(struct parser *p)
{
	return !p->command->uid ||
	    (parse_space(p) && parse_set(p, &p->command->set));
}

static bool
parse_fetch_args(struct parser *p)
{
	return parse_space(p) && parse_set(p, &p->command->set) &&
	    parse_fetch(p);
}

/* SP sequence-set SP ["+" / "-"] "FLAGS" [".SILENT"] SP flags */
static bool
parse_store(struct parser *p)
{
	struct imap_command *c = p->command;

	if (!parse_space(p) || !parse_set(p, &c->set) || !parse_space(p))
		return false;
	if (take_char(&p->in, '+'))
		c->op = IMAP_STORE_ADD;
	else if (take_char(&p->in, '-'))
		c->op = IMAP_STORE_REMOVE;
	if (!take_text(&p->in, SPAN("FLAGS")))
		return parse_fail(p, "Unknown item in STORE");
	c->silent = take_text(&p->in, SPAN(".SILENT"));
	if (!parse_space(p))
		return false;
	return p->in.n > 0 && *p->in.p == '(' ? parse_flag_list(p)
					      : parse_flags(p);
}

typedef bool parse_fn(struct parser *p);

struct verb {
	struct span name;
	parse_fn *parse;
	bool uid; /* may stand behind UID */
};

static const struct verb verbs[] = {
	[IMAP_APPEND] = { SPAN_INIT("APPEND"), parse_append, false },
	[IMAP_AUTHENTICATE] = { SPAN_INIT("AUTHENTICATE"), parse_authenticate,
	    false },
	[IMAP_CAPABILITY] = { SPAN_INIT("CAPABILITY"), parse_nothing, false },
	[IMAP_CHECK] = { SPAN_INIT("CHECK"), parse_nothing, false },
	[IMAP_CLOSE] = { SPAN_INIT("CLOSE"), parse_nothing, false },
	[IMAP_COPY] = { SPAN_INIT("COPY"), parse_copy, true },
	[IMAP_CREATE] = { SPAN_INIT("CREATE"), parse_mailbox, false },
	[IMAP_DELETE] = { SPAN_INIT("DELETE"), parse_mailbox, false },
	[IMAP_ENABLE] = { SPAN_INIT("ENABLE"), parse_enable, false },
	[IMAP_EXAMINE] = { SPAN_INIT("EXAMINE"), parse_mailbox, false },
	[IMAP_EXPUNGE] = { SPAN_INIT("EXPUNGE"), parse_expunge, true },
	[IMAP_FETCH] = { SPAN_INIT("FETCH"), parse_fetch_args, true },
	[IMAP_ID] = { SPAN_INIT("ID"), parse_id, false },
	[IMAP_IDLE] = { SPAN_INIT("IDLE"), parse_nothing, false },
	[IMAP_LIST] = { SPAN_INIT("LIST"), parse_list, false },
	[IMAP_LOGIN] = { SPAN_INIT("LOGIN"), parse_login, false },
	[IMAP_LOGOUT] = { SPAN_INIT("LOGOUT"), parse_nothing, false },
	[IMAP_LSUB] = { SPAN_INIT("LSUB"), parse_list, false },
	[IMAP_MOVE] = { SPAN_INIT("MOVE"), parse_copy, true },
	[IMAP_NAMESPACE] = { SPAN_INIT("NAMESPACE"), parse_nothing, false },
	[IMAP_NOOP] = { SPAN_INIT("NOOP"), parse_nothing, false },
	[IMAP_RENAME] = { SPAN_INIT("RENAME"), parse_rename, false },
	[IMAP_SEARCH] = { SPAN_INIT("SEARCH"), parse_search, true },
	[IMAP_SELECT] = { SPAN_INIT("SELECT"), parse_mailbox, false },
	[IMAP_STARTTLS] = { SPAN_INIT("STARTTLS"), parse_nothing, false },
	[IMAP_STATUS] = { SPAN_INIT("STATUS"), parse_status, false },
	[IMAP_STORE] = { SPAN_INIT("STORE"), parse_store, true },
	[IMAP_SUBSCRIBE] = { SPAN_INIT("SUBSCRIBE"), parse_mailbox, false },
	[IMAP_UNSELECT] = { SPAN_INIT("UNSELECT"), parse_nothing, false },
	[IMAP_UNSUBSCRIBE] = { SPAN_INIT("UNSUBSCRIBE"), parse_mailbox, false },
};

struct span
imap_verb_name(enum imap_verb verb)
{
	return verbs[verb].name;
}

static const struct verb *
find_verb(struct parser *p)
{
	struct span word;

	if (!imap_take_atom(&p->in, &word))
		return NULL;
	if (span_ieq(word, SPAN("UID"))) {
		p->command->uid = true;
		if (!take_char(&p->in, ' ') || !imap_take_atom(&p->in, &word))
			return NULL;
	}
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (span_ieq(word, verbs[i].name) &&
		    (!p->command->uid || verbs[i].uid)) {
			p->command->verb = (enum imap_verb)i;
			return &verbs[i];
		}
	return NULL;
}

static bool
parse_command(struct parser *p)
{
	const struct verb *verb;
	struct span tag;

	if (!imap_take_tag(&p->in, &tag) || tag.n > FRAME_TAG_MAX)
		return parse_fail(p, "Invalid tag");
	if (!take_char(&p->in, ' ')) {
		/* Half a tag is none. */
		if (p->in.n == 0)
			p->command->tag = tag;
		return parse_fail(p, "Missing command");
	}
	p->command->tag = tag;
	verb = find_verb(p);
	if (!verb)
		return parse_fail(p, "Unknown command");
	if (!verb->parse(p))
		return false;
	return p->in.n == 0 || parse_fail(p, "Too many arguments");
}

enum imap_parsed
imap_parse(struct span text, struct arena *arena,
    struct imap_command *command_r, const char **error_r)
{
	struct parser p = {
		.in = text,
		.arena = arena,
		.command = command_r,
	};

	*command_r = (struct imap_command){ .tag = SPAN("*") };
	if (parse_command(&p))
		return IMAP_OK;
	*error_r = p.full ? "Command is too complex" : p.error;
	return p.full ? IMAP_LIMIT : IMAP_BAD;
}
