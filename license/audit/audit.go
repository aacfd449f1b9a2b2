// Package audit has the words in which the rooms of the registry say who does something
// and to which license: every change, reading and refusal leaves an event.
package audit

import (
	"strings"

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
	Drafts      bool   // it may see its participant's drafts: it is a client of that, by itself and not for a person
}

// ID names one license through all its versions: 26 lower-case letters and
// digits, 128 random bits. It is the only thing about a license in a URL.
type ID string

// Valid reports whether the ID has the form of one.
func (id ID) Valid() bool {
	return len(id) == 26 && strings.Trim(string(id), "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// Did returns the fact that the actor did something to a license, or with an empty id to
// no particular one, for its event.
func (a Actor) Did(action journal.Action, id ID, version int, result string, detail map[string]string) journal.Fact {
	return journal.Fact{
		Actor: journal.Actor{ID: a.Client, Participant: a.Participant}, Party: a.Party, Action: action, Subject: string(id), Version: version,
		RequestID: a.RequestID, Result: result, Detail: detail,
	}
}
