#include "mail/mapped.h"

#include "dict/keys.h"
#include "mail/address.h"

bool
mapped_take(struct span *rest, struct span *word_r)
{
	bool quoted = false;
	size_t n = 0;

	while (rest->n > 0 && strchr(", \t\n", *rest->p)) {
		rest->p++;
		rest->n--;
	}
	for (; n < rest->n; n++) {
		if (rest->p[n] == '"')
			quoted = !quoted;
		else if (rest->p[n] == '\\' && quoted && n + 1 < rest->n)
			n++;
		else if (!quoted && rest->p[n] && strchr(", \t\n", rest->p[n]))
			break;
	}
	*word_r = (struct span){ rest->p, n };
	rest->p += n;
	rest->n -= n;
	return n > 0;
}

bool
mapped_join(struct arena *a, struct span user, struct span extension,
    struct span domain, struct span *addr_r)
{
	size_t n = user.n + extension.n + (domain.n ? 1 + domain.n : 0);
	char *text = arena_alloc(a, n ? n : 1);

	if (!text)
		return false;
	memcpy(text, user.p, user.n);
	if (extension.n)
		memcpy(text + user.n, extension.p, extension.n);
	if (domain.n) {
		text[user.n + extension.n] = '@';
		memcpy(text + user.n + extension.n + 1, domain.p, domain.n);
	}
	*addr_r = (struct span){ text, n };
	return true;
}

struct span
mapped_extension(struct span local, struct span delimiters)
{
	struct span base, ext;

	if (!keys_split(local, delimiters, &base, &ext))
		return (struct span){ 0 };
	return (struct span){ ext.p - 1, ext.n + 1 };
}

bool
mapped_address(struct span addr, struct span word, bool whole,
    struct span delimiters, struct arena *a, struct span *addr_r)
{
	struct span user, domain, own_user, own_domain, extension = { 0 };
	char canonical[ADDRESS_MAX];
	struct address parsed;
	struct buf b;

	address_cut(addr, &own_user, &own_domain);
	if (word.n > 1 && word.p[0] == '@') {
		user = own_user;
		domain = (struct span){ word.p + 1, word.n - 1 };
	} else {
		if (!take_mailbox(&word, ADDRESS_UTF8, &parsed) || word.n > 0)
			return false;
		buf_init(&b, canonical, sizeof(canonical));
		address_put(&parsed, &b);
		address_cut(buf_span(&b), &user, &domain);
		if (!whole && delimiters.n > 0)
			extension = mapped_extension(own_user, delimiters);
	}
	return mapped_join(a, user, extension, domain, addr_r);
}
