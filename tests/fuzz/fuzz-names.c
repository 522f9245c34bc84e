/* Any file's name: what is written from it reads as the same. */
#include "store/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct maildir_name n, again;
	char out[NAME_SIZE], twice[NAME_SIZE];

	maildir_name_read((struct span){ (const char *)data, size }, &n);
	if (!maildir_name_put(out, &n, false))
		return 0;
	/* A NUL, which no name of a file has, ends what is compared. */
	if (size && memchr(data, '\0', size))
		return 0;
	maildir_name_read((struct span){ out, strlen(out) }, &again);
	must(again.flags == n.flags && again.uid == n.uid);
	must(again.has_size == n.has_size && again.size == n.size);
	must(again.has_wire == n.has_wire && again.wire == n.wire);
	must(maildir_name_put(twice, &again, false));
	must(strcmp(out, twice) == 0);
	return 0;
}
