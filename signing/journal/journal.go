// Package journal has the events of both halves of the service: what was done, by whom, to
// what. It defines their form and all actions, records them, and declares the store that
// keeps them. For operators and auditors it reads all logs as one list in the order of time.
package journal

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Log names one of the logs. Events of the same moment are ordered by their log's
// place in [Logs].
type Log string

const (
	Provider Log = "provider" // logins, tokens, administration
	Registry Log = "registry" // of no one license: types, items, searches
	License  Log = "license"  // licenses' histories
)

// Logs are all logs.
var Logs = []Log{Provider, Registry, License}

// Entry is an event of any log. It names people by opaque ids alone.
type Entry struct {
	Log         Log       `json:"log"`
	Seq         int64     `json:"seq"` // within its log
	ID          string    `json:"id"`
	At          time.Time `json:"at"`
	Action      string    `json:"action"`
	Actor       string    `json:"actor"`                 // a client's or account's id, or cli: and an operator's name
	Participant string    `json:"participant,omitempty"` // the client's, where the log has it
	Subject     string    `json:"subject,omitempty"`     // what was acted on: a client's, participant's, session's, license's or grant's id, a type's or item's code
	Version     int       `json:"version,omitzero"`      // of a license
	Party       string    `json:"party,omitempty"`       // the person's opaque id, where one was there
	RequestID   string    `json:"request_id,omitempty"`
	Merged      int64     `json:"merged,omitzero"` // of how many requests it is, where they are too many for an event each
	Result      string    `json:"result"`
	Hash        string    `json:"hash"`             // SM3, in hexadecimal
	Altered     bool      `json:"altered,omitzero"` // it doesn't fit its hash
}

// Place returns the entry's place.
func (e Entry) Place() Place { return Place{e.At, e.Log, e.Seq} }

// Filter selects entries of a list. Zero fields select all.
type Filter struct {
	From, Until time.Time // from included, until not
	// Actions: an event has one of them. One that ends in * stands for all that
	// begin so.
	Actions []string
	Actor   string // "cli" stands for every operator's command
	Subject string
	Result  string
	After   Position // only what comes after it, in the order of the list
	Newest  bool     // the newest come first
	Limit   int
}

// Admits reports whether the filter admits an entry, wherever it stands in the list.
func (f Filter) Admits(e Entry) bool {
	switch {
	case e.At.Before(f.From), !f.Until.IsZero() && !e.At.Before(f.Until):
		return false
	case f.Actor == "cli" && e.Actor != "cli" && !strings.HasPrefix(e.Actor, "cli:"):
		return false
	case f.Actor != "" && f.Actor != "cli" && e.Actor != f.Actor:
		return false
	case f.Subject != "" && e.Subject != f.Subject, f.Result != "" && e.Result != f.Result:
		return false
	}
	return len(f.Actions) == 0 || slices.ContainsFunc(f.Actions, func(a string) bool {
		begin, all := strings.CutSuffix(a, "*")
		return e.Action == a || all && strings.HasPrefix(e.Action, begin)
	})
}

// Position is a place in one log. The zero Position is before all entries, in either order.
type Position struct {
	At  time.Time
	Seq int64
}

// Place is a place in the list of all logs.
type Place struct {
	At  time.Time
	Log Log
	Seq int64
}

// String returns the place as a cursor that people can pass on.
func (p Place) String() string {
	return fmt.Sprintf("%s_%s_%d", p.At.UTC().Format("20060102T150405.000000Z"), p.Log, p.Seq)
}

// ParsePlace reads what String wrote.
func ParsePlace(text string) (Place, error) {
	parts := strings.Split(text, "_")
	if len(parts) != 3 {
		return Place{}, errors.New("a cursor is what an earlier list ended with")
	}
	at, err := time.Parse("20060102T150405.000000Z", parts[0])
	seq, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || err2 != nil || !slices.Contains(Logs, Log(parts[1])) || seq < 0 {
		return Place{}, errors.New("a cursor is what an earlier list ended with")
	}
	return Place{at, Log(parts[1]), seq}, nil
}

// compare orders places from older to newer.
func compare(a, b Place) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	if c := slices.Index(Logs, a.Log) - slices.Index(Logs, b.Log); c != 0 {
		return c
	}
	switch {
	case a.Seq < b.Seq:
		return -1
	case a.Seq > b.Seq:
		return 1
	}
	return 0
}

// in returns where a log goes on after a place in the list, in either order. In logs that
// stand before the place's log in [Logs], all events of that moment are older; in logs that
// stand behind it, all are newer.
func (p Place) in(log Log) Position {
	switch at, of := slices.Index(Logs, log), slices.Index(Logs, p.Log); {
	case p.At.IsZero():
		return Position{}
	case at < of:
		return Position{p.At, math.MaxInt64}
	case at > of:
		return Position{p.At, 0}
	}
	return Position{p.At, p.Seq}
}
