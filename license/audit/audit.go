// Package audit has the words in which the rooms of the registry say who does something
// and what was done: every change, reading and refusal leaves an event.
package audit

import (
	"strings"
	"time"
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

// Action is what was done. The names are stable.
type Action string

// What is done with the catalog. The other actions stand in package license.
const (
	ActionTypePut     Action = "type.put"
	ActionTypePubl    Action = "type.publish"
	ActionTypeRetire  Action = "type.retire"
	ActionTypeRead    Action = "type.read"
	ActionDelegate    Action = "catalog.delegate" // another body's code, to a participant
	ActionUndelegate  Action = "catalog.undelegate"
	ActionItemPut     Action = "item.put"
	ActionItemPublish Action = "item.publish"
	ActionItemRetire  Action = "item.retire"
	ActionItemRead    Action = "item.read"
)

// ID names one license through all its versions: 26 lower-case letters and
// digits, 128 random bits. It is the only thing about a license in a URL.
type ID string

// Valid reports whether the ID has the form of one.
func (id ID) Valid() bool {
	return len(id) == 26 && strings.Trim(string(id), "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// EventRecord is an event as a store keeps it. Who, what, when and the result
// are plain; Detail is sealed. Hash is SM3 over the event's canonical form,
// which holds a random nonce: it commits to the event and gives nothing away.
type EventRecord struct {
	Seq         int64 // given by the store, rising
	ID          string
	At          time.Time
	Action      Action
	Client      string
	Participant string
	RequestID   string
	License     ID     // empty: the event is about no one license
	Version     int    // 0: none
	Result      string // "ok", or the reason code of a refusal
	Detail      []byte // sealed
	Hash        [32]byte
}
