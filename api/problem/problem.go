// Package problem decides what somebody outside sees of an error. It alone turns the kinds
// of errors of both halves into a status, a reason and a time to wait, says which errors are
// about this moment and not about the request, and answers with problem+json (RFC 9457).
// OAuth's endpoints and the pages write answers of their own form, with the status from here.
package problem

import (
	"net/http"

	"yizheng.internal/license/schema"
)

// Media is the media type of an answer.
const Media = "application/problem+json"

// Problem is what a client sees of an error (RFC 9457). It echoes no value of
// the request and tells nothing of the inside.
type Problem struct {
	Type       string             `json:"type" doc:"about:blank: status and reason say it all"`
	Title      string             `json:"title" doc:"the status in words"`
	Status     int                `json:"status" doc:"the HTTP status"`
	Reason     string             `json:"reason" doc:"a stable code in snake_case: test for this"`
	Detail     string             `json:"detail" doc:"what is wrong and what to do, for people"`
	RequestID  string             `json:"request_id" doc:"finds this request in the service's log"`
	Violations []schema.Violation `json:"violations,omitempty" doc:"each thing that is wrong, by JSON Pointer into the body"`

	Challenge  string `json:"-"` // WWW-Authenticate; empty: none
	RetryAfter int    `json:"-"` // seconds; 0: none
	Again      bool   `json:"-"` // trying again may help: a page says so
}

// Error returns the reason.
func (p *Problem) Error() string { return p.Reason }

// Refuse returns the error for a request that is refused before it reaches the domain.
// Of what only pages meet, the reason is the key of their texts, and there is no detail.
func Refuse(status int, reason, detail string) error {
	return &Problem{Status: status, Reason: reason, Detail: detail}
}

// Nowhere refuses a path at which there is nothing.
func Nowhere() error {
	return Refuse(http.StatusNotFound, "not_found", "There is nothing at this path. /docs lists what there is.")
}

// RefuseAt is Refuse for what is wrong at a place of the body.
func RefuseAt(status int, reason, detail, pointer string) error {
	p := &Problem{Status: status, Reason: reason, Detail: detail}
	if pointer != "" {
		p.Violations = []schema.Violation{{Pointer: schema.PrintablePointer(pointer), Keyword: reason, Message: detail}}
	}
	return p
}

// Later is Refuse for what may be tried again, after so many seconds; 0: at once.
func Later(status int, reason, detail string, seconds int) error {
	return &Problem{Status: status, Reason: reason, Detail: detail, RetryAfter: seconds, Again: true}
}
