/* Dovecot's files, and the keywords of ours. */
#include "store/dovecot.h"
#include "store/keywords.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keywords k;
	struct span all = { (const char *)data, size }, text = all, stem;
	struct dovecot_list list;
	uint32_t uid;

	if (dovecot_take_head(&text, &list)) {
		must(list.uidvalidity && list.next);
		while (dovecot_take_uid(&text, &list, &uid, &stem))
			must(uid && uid < list.next && stem.n);
	}
	keywords_read(&k, all, all);
	for (unsigned i = 0; i < STORE_KEYWORDS; i++) {
		char line[KEYWORD_LINE];

		if (k.names[i].n == 0)
			continue;
		must(keyword_is_valid(k.names[i]));
		must(keywords_put(line, &k, i) < sizeof(line));
	}
	return 0;
}
