/*
 * report.h - what a sender is told of his mail; the REPORT of a BOUNCE.
 */
#ifndef SERVICE_REPORT_H
#define SERVICE_REPORT_H

enum report_kind {
	REPORT_NONE,
	REPORT_FAILURE,
	REPORT_DELAY,
	REPORT_SUCCESS,
	REPORT_TRACE, /* of the first attempt, whatever came of it */
};

#endif
