#include "mail/place.h"

#include "base/buf.h"
#include "base/scan.h"
#include "dict/keys.h"
#include "mail/address.h"
#include "mail/mapped.h"
#include "mail/routing_private.h"

#include <errno.h>

enum {
	PATH_LEN = 1024,
};

static bool
refuse(struct why *why, const char *text, struct span s)
{
	why_set(why, EINVAL, NULL, 0, "%s: \"%.*s\"", text,
	    (int)(s.n < 200 ? s.n : 200), s.p);
	return false;
}

static bool
begins(struct span s, struct span with)
{
	return s.n >= with.n && span_eq((struct span){ s.p, with.n }, with);
}

static void
skip(struct span *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

/* A part of a user's name is one level of a path, and no way out of it. */
static bool
put_level(struct buf *out, struct span s)
{
	if (s.n == 0 || span_eq(s, SPAN(".")) || span_eq(s, SPAN("..")) ||
	    memchr(s.p, '/', s.n) || memchr(s.p, '\0', s.n))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = ascii_lower(s.p[i]);

		buf_put(out, (struct span){ &c, 1 });
	}
	return true;
}

/* "%d/%n", and a '/' behind it. */
static bool
put_path(struct buf *out, struct span pattern, struct span name,
    struct why *why)
{
	struct span local, domain;

	address_cut(name, &local, &domain);
	while (pattern.n > 0) {
		struct span text = span_cut(&pattern, '%');
		bool ends = text.p + text.n == pattern.p;

		buf_put(out, text);
		if (ends)
			break;
		char c = pattern.n > 0 ? *pattern.p : '\0';
		struct span value = c == 'u' ? name
		    : c == 'n'               ? local
		    : c == 'd'               ? domain
					     : SPAN("");
		if (c == '%')
			buf_put(out, SPAN("%"));
		else if (!strchr("und", c) || c == '\0')
			return refuse(why,
			    "mail_location may have %u, %n, %d, and begin "
			    "with %h or ~",
			    pattern);
		else if (!put_level(out, value))
			return refuse(why,
			    "no folder can be named for the user", name);
		skip(&pattern, 1);
	}
	if (out->n > 0 && out->p[out->n - 1] != '/')
		buf_put(out, SPAN("/"));
	return true;
}

/* Takes the root off the front of an absolute pattern. */
static struct span
take_root(struct span *pattern, struct span base)
{
	struct span root = *pattern;
	const char *percent = memchr(root.p, '%', root.n);

	if (base.n > 1 && begins(*pattern, base) && pattern->n > base.n &&
	    pattern->p[base.n] == '/') {
		skip(pattern, base.n + 1);
		return base;
	}
	if (percent)
		root.n = (size_t)(percent - root.p);
	else if (root.n > 1 && root.p[root.n - 1] == '/')
		root.n--;
	while (root.p[root.n - 1] != '/')
		root.n--;
	skip(pattern, root.n);
	if (root.n > 1)
		root.n--;
	return root;
}

static bool
find_root(struct span *pattern, const struct place_user *u, struct span base,
    struct span *root_r, struct why *why)
{
	bool is_home = begins(*pattern, SPAN("~/")) ||
	    begins(*pattern, SPAN("%h/"));

	if (!is_home && (pattern->n < 2 || *pattern->p != '/'))
		return refuse(why, "a mailbox has to be an absolute path",
		    *pattern);
	if (!is_home) {
		*root_r = take_root(pattern, base);
		return true;
	}
	if (u->home.n == 0 || *u->home.p != '/')
		return refuse(why,
		    "the mail lies in the user's home, which is "
		    "not known",
		    u->name);
	span_cut(pattern, '/');
	*root_r = u->home;
	return true;
}

bool
place_expand(struct span location, const struct place_user *u, const char *base,
    struct arena *a, struct mailbox_place *place_r, struct why *why)
{
	char bytes[PATH_LEN];
	struct span pattern = location;
	struct span root;
	struct buf b;

	if (begins(pattern, SPAN("maildir:")))
		skip(&pattern, sizeof("maildir:") - 1);
	while (pattern.n > 1 && pattern.p[pattern.n - 1] == '/')
		pattern.n--;
	if (memchr(pattern.p, ':', pattern.n))
		return refuse(why, "only \"maildir:PATH\" is understood",
		    location);
	if (!find_root(&pattern, u, span_str(base), &root, why))
		return false;
	buf_init(&b, bytes, sizeof(bytes));
	if (!put_path(&b, pattern, u->name, why))
		return false;
	if (b.overflow || b.n == 0 || memchr(root.p, '\0', root.n))
		return refuse(why, "no path of a mailbox", location);
	place_r->root = arena_dup(a, root);
	place_r->path = arena_dup(a, buf_span(&b));
	return (place_r->root && place_r->path) ||
	    refuse(why, "no memory for the path of a mailbox", location);
}

/* In the folder of virtual_mailbox_maps: FOUND, ABSENT, TEMPFAIL. */
static enum dict_result
find_mapped(struct routing *r, const struct place_user *u, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	const char *base = r->p.virtual_mailbox_base;
	struct span path;
	enum dict_result found = routing_mailbox_path(r, u->name, a, &path,
	    why);

	if (found != DICT_FOUND)
		return found;
	if (path.n == 0 || path.p[path.n - 1] != '/' ||
	    memchr(path.p, '\0', path.n)) {
		refuse(why, "the mailbox is no Maildir, whose path ends in /",
		    path);
		return DICT_TEMPFAIL;
	}
	place_r->root = arena_dup(a, span_str(base));
	place_r->path = arena_dup(a, path);
	if (*base == '\0') {
		struct span root = take_root(&path, SPAN(""));

		place_r->root = arena_dup(a, root);
		place_r->path = arena_dup(a, path);
	}
	return place_r->root && place_r->path ? DICT_FOUND : DICT_TEMPFAIL;
}

static enum dict_result
find_in_home(struct routing *r, const struct place_user *u, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	struct span path = span_str(r->p.home_mailbox);

	if (u->home.n == 0 || *u->home.p != '/' || path.n == 0 ||
	    path.p[path.n - 1] != '/') {
		refuse(why,
		    "nothing says where the user's mail lies (mail_location, "
		    "virtual_mailbox_maps)",
		    u->name);
		return DICT_ABSENT;
	}
	place_r->root = arena_dup(a, u->home);
	place_r->path = arena_dup(a, path);
	return place_r->root && place_r->path ? DICT_FOUND : DICT_TEMPFAIL;
}

static enum dict_result
find_path(struct routing *r, const struct place_user *u, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	struct span location = u->mail.n ? u->mail
					 : span_str(r->p.mail_location);
	enum dict_result found;

	why_set(why, ENOMEM, NULL, 0, "no memory for the path of a mailbox");
	if (location.n)
		return place_expand(location, u, r->p.virtual_mailbox_base, a,
			   place_r, why)
		    ? DICT_FOUND
		    : DICT_TEMPFAIL;
	found = find_mapped(r, u, a, place_r, why);
	return found == DICT_ABSENT ? find_in_home(r, u, a, place_r, why)
				    : found;
}

/* An id of the user's own, or of the tables. */
static bool
find_id(struct routing *r, const struct place_user *u, bool is_uid,
    struct arena *a, uint64_t *id_r, struct why *why)
{
	struct span own = is_uid ? u->uid : u->gid;

	if (own.n == 0)
		return routing_mailbox_id(r, u->name, is_uid, a, id_r, why) ==
		    DICT_FOUND;
	if (take_number(&own, INT32_MAX, id_r) && own.n == 0)
		return true;
	return refuse(why, is_uid ? "uid= is no number" : "gid= is no number",
	    own);
}

enum dict_result
place_find(struct routing *r, const struct place_user *u, struct arena *a,
    struct mailbox_place *place_r, struct why *why)
{
	struct place_user whole = *u;
	uint64_t uid, gid;

	if (!routing_complete(r, u->name, a, &whole.name)) {
		why_set(why, ENOMEM, NULL, 0, "the user's name is too long");
		return DICT_TEMPFAIL;
	}
	u = &whole;
	enum dict_result found = find_path(r, u, a, place_r, why);

	if (found != DICT_FOUND)
		return found;
	if (!find_id(r, u, true, a, &uid, why) ||
	    !find_id(r, u, false, a, &gid, why))
		return DICT_TEMPFAIL;
	place_r->uid = (uid_t)uid;
	place_r->gid = (gid_t)gid;
	return DICT_FOUND;
}

bool
place_drop_extension(const struct routing *r, struct span addr, struct arena *a,
    struct span *addr_r)
{
	struct span local, domain, base, extension;

	return address_cut(addr, &local, &domain) &&
	    keys_split(local, r->delimiters, &base, &extension) &&
	    mapped_join(a, base, SPAN(""), domain, addr_r);
}
