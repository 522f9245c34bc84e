#include "access/private.h"

#include "base/scan.h"

#include <stdlib.h>

enum {
	FAULT = 1, /* nobody looks which: there is a text */
};

/* What Postfix has and this version has not: said, not guessed at. */
static const char *const absent[] = {
	"check_policy_service",
	"check_ccert_access",
	"check_sasl_access",
	"check_client_a_access",
	"check_client_mx_access",
	"check_client_ns_access",
	"check_helo_a_access",
	"check_helo_mx_access",
	"check_helo_ns_access",
	"check_sender_a_access",
	"check_sender_mx_access",
	"check_sender_ns_access",
	"check_recipient_a_access",
	"check_recipient_mx_access",
	"check_recipient_ns_access",
	"check_reverse_client_hostname_access",
	"check_etrn_access",
	"permit_dnswl_client",
	"permit_rhswl_client",
	"permit_inet_interfaces",
	"permit_mx_backup",
	"permit_tls_all_clientcerts",
	"permit_tls_clientcerts",
	"reject_multi_recipient_bounce",
	"reject_plaintext_session",
	"reject_rbl_client",
	"reject_rhsbl_client",
	"reject_rhsbl_helo",
	"reject_rhsbl_recipient",
	"reject_rhsbl_reverse_client",
	"reject_rhsbl_sender",
	"reject_unauth_pipelining",
	"reject_unknown_address",
	"reject_unknown_client",
	"reject_unknown_client_hostname",
	"reject_unknown_forward_client_hostname",
	"reject_unknown_helo_hostname",
	"reject_unknown_hostname",
	"reject_unknown_recipient_domain",
	"reject_unknown_reverse_client_hostname",
	"reject_unknown_sender_domain",
	"reject_unverified_recipient",
	"reject_unverified_sender",
	"sleep",
};

static bool
is_separator(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

bool
take_element(struct span *rest, struct span *element_r)
{
	size_t begin = 0, end, depth = 0;

	while (begin < rest->n && is_separator(rest->p[begin]))
		begin++;
	for (end = begin;
	     end < rest->n && (depth > 0 || !is_separator(rest->p[end]));
	     end++) {
		if (rest->p[end] == '{')
			depth++;
		else if (rest->p[end] == '}' && depth > 0)
			depth--;
	}
	if (begin == end)
		return false;
	*element_r = (struct span){ rest->p + begin, end - begin };
	rest->p += end;
	rest->n -= end;
	if (element_r->p[0] == '{' && element_r->p[element_r->n - 1] == '}' &&
	    element_r->n > 1) {
		element_r->p++;
		element_r->n -= 2;
	}
	return true;
}

static char *
copy(struct span s)
{
	char *text = zalloc(s.n + 1);

	memcpy(text, s.p, s.n);
	return text;
}

/* Room for one more of `size` bytes at the end of *v. */
static void *
grow(void *v, size_t n, size_t size)
{
	char *more = zalloc((n + 1) * size);

	if (n > 0)
		memcpy(more, v, n * size);
	free(v);
	return more;
}

static size_t
add_table(struct access *a, struct span name)
{
	for (size_t i = 0; i < a->tables_n; i++)
		if (span_eq(span_str(a->tables[i]), name))
			return i;
	a->tables = grow(a->tables, a->tables_n, sizeof(*a->tables));
	a->tables[a->tables_n] = copy(name);
	return a->tables_n++;
}

static bool
find_class(const struct access *a, struct span word, size_t *i_r)
{
	for (size_t i = 0; i < a->classes_n; i++)
		if (span_eq(span_str(a->classes[i].name), word)) {
			*i_r = i;
			return true;
		}
	return false;
}

bool
access_word_rule(const struct access *a, struct span word,
    struct access_rule *rule_r)
{
	static const struct restriction class = { .arity = ARITY_CLASS };
	const struct restriction *what = restriction_find(word);
	struct access_rule r = { .what = what };

	if (!what && find_class(a, word, &r.target))
		r.what = &class;
	if (!r.what || r.what->arity == ARITY_TABLE ||
	    r.what->arity == ARITY_RULE)
		return false;
	*rule_r = r;
	return true;
}

/* A source that is being compiled as a list of `kind`. */
struct job {
	struct access *a;
	const struct access_source *source;
	unsigned kinds; /* BIT()s of the lists; all, for a class */
	struct access_rules *rules;
	struct why *why;
};

static int
refuse_word(const struct job *j, struct span word)
{
	const struct access_source *s = j->source;
	char names[1024];
	struct buf b;

	for (size_t i = 0; i < COUNT_OF(absent); i++)
		if (span_ieq(span_str(absent[i]), word))
			return why_set(j->why, FAULT, s->file, s->line,
			    "%s: %s is not part of this version", s->name,
			    absent[i]);
	buf_init(&b, names, sizeof(names) - 1);
	for (int i = 0; i < ACCESS_LISTS; i++)
		if (j->kinds == BIT(i))
			restriction_list((enum access_list)i, &b);
	names[b.n] = '\0';
	return why_set(j->why, FAULT, s->file, s->line,
	    "%s: \"%.*s\" is no restriction, table or class; %s%s", s->name,
	    (int)(word.n < 64 ? word.n : 64), word.p,
	    b.n ? "there are: " : "see access lists", names);
}

static int
misplaced(const struct job *j, const struct restriction *what)
{
	return why_set(j->why, FAULT, j->source->file, j->source->line,
	    "%s: %s makes no sense in this list", j->source->name, what->name);
}

/* type:name; a type is letters and digits. */
static bool
is_table(struct span word)
{
	size_t n = 0;

	while (n < word.n &&
	    ((ascii_lower(word.p[n]) >= 'a' && ascii_lower(word.p[n]) <= 'z') ||
		(word.p[n] >= '0' && word.p[n] <= '9')))
		n++;
	return n > 0 && n + 1 < word.n && word.p[n] == ':';
}

/* A table alone is the check of its list. */
static const struct restriction *
bare_check(unsigned kinds)
{
	static const char *const checks[ACCESS_LISTS] = {
		[ACCESS_CLIENT] = "check_client_access",
		[ACCESS_HELO] = "check_helo_access",
		[ACCESS_SENDER] = "check_sender_access",
		[ACCESS_RELAY] = "check_recipient_access",
		[ACCESS_RECIPIENT] = "check_recipient_access",
	};

	for (int i = 0; i < ACCESS_LISTS; i++)
		if (kinds == BIT(i) && checks[i])
			return restriction_find(span_str(checks[i]));
	return NULL;
}

/* Makes a rule of `word` and what stands behind it. */
static int
compile_rule(const struct job *j, struct span word, struct span *rest,
    struct access_rule *rule_r)
{
	struct access_rule r = { .what = restriction_find(word) };
	struct span table = word;

	if (!r.what && is_table(word)) {
		r.what = bare_check(j->kinds);
		if (!r.what)
			return refuse_word(j, word);
	} else if (r.what && r.what->arity == ARITY_TABLE) {
		if (!take_element(rest, &table) || !is_table(table))
			return why_set(j->why, FAULT, j->source->file,
			    j->source->line,
			    "%s: %s needs a table behind it: type:name",
			    j->source->name, r.what->name);
	} else if (!access_word_rule(j->a, word, &r)) {
		return refuse_word(j, word);
	}
	if (r.what->arity != ARITY_CLASS && !(r.what->lists & j->kinds))
		return misplaced(j, r.what);
	if (r.what->arity == ARITY_TABLE)
		r.target = add_table(j->a, table);
	*rule_r = r;
	return 0;
}

static int
compile(const struct job *j)
{
	struct span rest = span_str(j->source->text), word;
	struct access_rules *rules = j->rules;

	while (take_element(&rest, &word)) {
		const struct restriction *what = restriction_find(word);
		struct access_rule rule = { 0 };
		bool warn = what && what->arity == ARITY_RULE;

		if (warn && !take_element(&rest, &word))
			return why_set(j->why, FAULT, j->source->file,
			    j->source->line,
			    "%s: %s needs a restriction behind it",
			    j->source->name, what->name);
		int error = compile_rule(j, word, &rest, &rule);
		if (error < 0)
			return error;
		rule.warn_only = warn;
		rules->v = grow(rules->v, rules->n, sizeof(*rules->v));
		rules->v[rules->n++] = rule;
	}
	return 0;
}

/* Whether a rule of the list refuses strangers, itself or by a class. */
static bool
is_guarded(const struct access *a, const struct access_rules *rules,
    unsigned depth)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct access_rule *r = &rules->v[i];

		if (r->warn_only)
			continue;
		if (r->what->guards)
			return true;
		if (r->what->arity == ARITY_CLASS && depth > 0 &&
		    is_guarded(a, &a->classes[r->target], depth - 1))
			return true;
	}
	return false;
}

static int
compile_all(struct access *a, const struct access_source lists[ACCESS_LISTS],
    const struct access_source *classes, size_t n, struct why *why)
{
	a->classes = zalloc((n + 1) * sizeof(*a->classes));
	a->classes_n = n;
	for (size_t i = 0; i < n; i++)
		a->classes[i].name = copy(span_str(classes[i].name));
	for (size_t i = 0; i < n; i++) {
		int error = compile(&(struct job){ a, &classes[i],
		    BIT(ACCESS_LISTS) - 1, &a->classes[i], why });

		if (error < 0)
			return error;
	}
	for (int i = 0; i < ACCESS_LISTS; i++) {
		if (!lists[i].text)
			continue;
		a->lists[i].name = copy(span_str(lists[i].name));
		int error = compile(
		    &(struct job){ a, &lists[i], BIT(i), &a->lists[i], why });
		if (error < 0)
			return error;
	}
	if (!lists[ACCESS_RELAY].text && !lists[ACCESS_RECIPIENT].text)
		return 0;
	if (is_guarded(a, &a->lists[ACCESS_RELAY], ACCESS_DEPTH_MAX) ||
	    is_guarded(a, &a->lists[ACCESS_RECIPIENT], ACCESS_DEPTH_MAX))
		return 0;

	const struct access_source *s = &lists[ACCESS_RELAY];

	if (!s->file && lists[ACCESS_RECIPIENT].file)
		s = &lists[ACCESS_RECIPIENT];
	return why_set(why, FAULT, s->file, s->line,
	    "in parameter smtpd_relay_restrictions or "
	    "smtpd_recipient_restrictions, specify at least one working "
	    "instance of: reject_unauth_destination, "
	    "defer_unauth_destination, reject, defer, defer_if_permit");
}

struct access *
access_new(const struct access_source lists[ACCESS_LISTS],
    const struct access_source *classes, size_t n, struct why *why)
{
	struct access *a = zalloc(sizeof(*a));

	if (compile_all(a, lists, classes, n, why) < 0)
		return access_free(a);
	return a;
}

static void
free_rules(struct access_rules *r)
{
	free(r->name);
	free(r->v);
}

struct access *
access_free(struct access *a)
{
	if (!a)
		return NULL;
	for (size_t i = 0; i < ACCESS_LISTS; i++)
		free_rules(&a->lists[i]);
	for (size_t i = 0; i < a->classes_n; i++)
		free_rules(&a->classes[i]);
	for (size_t i = 0; i < a->tables_n; i++)
		free(a->tables[i]);
	free(a->tables);
	free(a->classes);
	free(a);
	return NULL;
}

size_t
access_tables(const struct access *a)
{
	return a->tables_n;
}

const char *
access_table(const struct access *a, size_t i)
{
	return a->tables[i];
}
