package representation

import (
	"strings"
	"time"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

func refused(reason Reason, detail string) error {
	return &identity.Error{Reason: reason, Detail: detail}
}

// maxEvidence is how long evidence may be, in characters.
const maxEvidence = 200

// Evidence checks what a clerk says, and returns it trimmed. *identity.Error: ReasonMalformed.
func Evidence(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > maxEvidence || !utf8.ValidString(text) || !party.Visible(text) {
		return "", refused(ReasonMalformed, "say on what it rests, in 1 to 200 visible characters")
	}
	return text, nil
}

// Goes checks state, dates and bounds for what is wanted; with the zero Wanted, any use will do.
func (r *Representation) Goes(at time.Time, today party.Date, w Wanted) error {
	if err := r.InForce(at); err != nil {
		return err
	}
	switch {
	case r.From.After(today):
		return refused(ReasonNotYet, "the first day of the representation is yet to come")
	case w.Act != "" && !r.Allow(w, today):
		return refused(ReasonBounds, "the representation doesn't go so far")
	}
	return nil
}

// InForce returns an error unless a representation was accepted and is neither ended nor over.
func (r *Representation) InForce(at time.Time) error {
	switch {
	case r.State == Ended:
		return refused(ReasonEnded, "the representation has ended")
	case r.Over(at):
		return refused(ReasonExpired, "the last day of the representation is over, or that to accept it")
	case r.State != Accepted:
		return refused(ReasonNotYet, "the representation hasn't been accepted")
	}
	return nil
}
