/*
 * Decodes a field's text: what comes out has no NUL that was not there, fits,
 * and a buffer of any size is never overrun.
 */
#include "mail/charset.h"
#include "mail/encoded_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char storage[3 * 8192 + 1];
	struct span text = { (const char *)data, n };
	struct buf out;

	if (n > 8192)
		return 0;
	buf_init(&out, storage, 3 * n + 1);
	encoded_words(text, &out);
	must(!out.overflow);
	for (size_t max = 0; max < 16; max++) {
		buf_init(&out, storage, max);
		encoded_words(text, &out);
		must(out.n <= max);
	}
	return 0;
}
