/*
 * openmetrics.h - the state of the suite as text that monitoring reads.
 *
 * The format is OpenMetrics 1.0: families of metrics, each with its type and
 * help, then one line for each service, and "# EOF". Names begin with postrider_
 * and never change. Plain.
 */
#ifndef MASTER_OPENMETRICS_H
#define MASTER_OPENMETRICS_H

#include "master/state.h"

enum {
	OPENMETRICS_MAX = 1 << 20, /* for all there can be */
};

#define OPENMETRICS_TYPE \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Adds the whole text; what does not fit is ->overflow. */
void openmetrics_put(struct buf *out, const struct state *s);

#endif
