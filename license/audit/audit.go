// Package audit has the words in which the rooms of the registry say who does something
// and to which license: every change, reading and refusal leaves an event.
package audit

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"

	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Actor is who does something: a client, for its participant, perhaps an
// officer through it; or a person, on pages of ours.
type Actor struct {
	Client      string // client id; "cli:" and the operator's name for a command, "portal" for a page of ours
	Participant string // participant id
	USCC        string // the participant's unified social credit code
	RequestID   string // of the HTTP request, for finding it in the log
	Party       string // opaque id of the person who is there, if one is: a detail of the event
	Drafts      bool   // it may see its participant's drafts, as a client of it that acts for no person
}

// ID names one license through all its versions: 26 lower-case letters and
// digits, 128 random bits. It is the only thing about a license in a URL.
type ID string

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID returns a random ID.
func NewID() ID {
	var b [16]byte
	rand.Read(b[:])
	return IDOf(b)
}

// IDOf returns the ID that 128 bits make.
func IDOf(b [16]byte) ID { return ID(idEncoding.EncodeToString(b[:])) }

// Valid reports whether the ID has the form of one.
func (id ID) Valid() bool {
	return len(id) == 26 && strings.Trim(string(id), "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// Did returns the fact that the actor did something to a license, for an event. With an empty id, it was to no
// particular license.
func (a Actor) Did(action journal.Action, id ID, version int, result string, detail map[string]string) journal.Fact {
	return journal.Fact{
		Actor: journal.Actor{ID: a.Client, Participant: a.Participant}, Party: a.Party, Action: action, Subject: string(id), Version: version,
		RequestID: a.RequestID, Result: result, Detail: detail,
	}
}

// Refused records that an authenticated caller was refused something. Refusals that repeat are merged.
func Refused(ctx context.Context, to *journal.Recorder, a Actor, action journal.Action, id ID, reason string) error {
	if !id.Valid() {
		id = ""
	}
	return to.Repeating(ctx, a.Did(action, id, 0, reason, nil))
}

// Refusal, deferred, records an event if *err is a refusal. Other errors are faults and leave no event, because
// they are in the log. If the event can't be stored, *err becomes that error: a refusal that leaves no trace is
// not answered.
func Refusal(ctx context.Context, to *journal.Recorder, err *error, a Actor, action journal.Action, id ID) {
	e, ok := errors.AsType[*refusal.Error](*err)
	if !ok {
		return
	}
	if rerr := Refused(ctx, to, a, action, id, string(e.Reason)); rerr != nil {
		*err = rerr
	}
}
