package journal

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json/jsontext"
)

// Actor is who did something.
type Actor struct {
	ID          string // a client's or account's id; "cli:NAME" or "cli" for an operator's command; empty: unknown
	Participant string // the client's participant, in logs that keep it
}

// Event is what was done, by whom, to what, as a store keeps it. It names people by opaque
// ids alone, and operators by name. Details are sealed.
//
// Hash is the SM3 of the event's canonical form. That form holds a random nonce, or in the
// provider's log the random id, so that the hash commits to the event and gives nothing away.
type Event struct {
	Log       Log
	Seq       int64 // given by the store, rising within the log
	Form      Form  // the canonical form that was hashed
	ID        string
	At        time.Time // UTC, microseconds
	Action    Action
	Actor     Actor
	Subject   string // what was acted on: see [Known]; in the log Registry it is one of the details
	Version   int    // of a license; 0: none
	RequestID string // of the HTTP request, for finding it in the service's log; see [MergedRequest]
	Result    string // ResultOK, or the reason code of a refusal
	Sealed    []byte // the Private part; nil in the provider's log, which has none
	Hash      [32]byte
}

// Results of events that are no refusal. A change that can't be stored in one transaction
// with its event leaves two events: ResultBegun before it, and its outcome after it. So no
// change goes without a trace, even if the process dies in between.
const (
	ResultBegun = "begun"
	ResultOK    = "ok"
)

// Private is the part of an event that is sealed.
type Private struct {
	Detail map[string]string `json:"detail,omitempty"`
	Nonce  []byte            `json:"nonce"` // 16 random bytes
}

// Form is the version of the form in which an event was hashed.
type Form int

// The forms. A form never changes, because logs over the events hold their hashes. A new
// form gets a new number.
const (
	// FormFirst has two shapes. The provider's events have their own, with milliseconds and
	// without a nonce.
	FormFirst Form = 1
	// Present is one form for all logs: a JSON object in the order of RFC 8785, always with
	// these members: action, actor, at (UTC, with six digits after the point), detail (an
	// object), hash (the algorithm, "sm3"), id, log, nonce (base64), participant,
	// request_id, result, subject, v (the form, 2), version. Seq is left out, because the
	// store assigns it.
	Present Form = 2
)

// moment is how the present form writes a time. The provider's first form has fewer digits.
const moment = "2006-01-02T15:04:05.000000Z"

// Canonical returns the bytes whose SM3 is the event's Hash. p is the opened private part, or
// its zero value if Sealed is nil. U+FFFD takes the place of what isn't UTF-8, which nothing
// here writes. An unknown form is an error.
func (e Event) Canonical(p Private) ([]byte, error) {
	switch {
	case e.Form == Present:
		return e.present(p), nil
	case e.Form == FormFirst && e.Log == Provider:
		return e.firstOfProvider()
	case e.Form == FormFirst:
		return e.firstOfRegistry(p)
	}
	return nil, fmt.Errorf("event %s has the form %d, which this program doesn't know", e.ID, e.Form)
}

// Fits reports whether the event is as it was when it was hashed.
func (e Event) Fits(p Private) bool {
	text, err := e.Canonical(p)
	return err == nil && sm3.Sum(text) == e.Hash
}

func (e Event) present(p Private) []byte {
	b := make([]byte, 0, 640)
	text := func(name, value string) {
		b = append(append(append(b, ',', '"'), name...), '"', ':')
		b, _ = jsontext.AppendQuote(b, value) // as RFC 8785 has it; the error is that of text that isn't UTF-8
	}
	text("action", string(e.Action))
	b[0] = '{'
	text("actor", e.Actor.ID)
	text("at", e.At.UTC().Format(moment))
	b = append(b, `,"detail":{`...)
	for i, name := range namesOf(p.Detail) {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, name)
		b = append(b, ':')
		b, _ = jsontext.AppendQuote(b, p.Detail[name])
	}
	b = append(b, '}')
	text("hash", "sm3")
	text("id", e.ID)
	text("log", string(e.Log))
	text("nonce", base64.StdEncoding.EncodeToString(p.Nonce))
	text("participant", e.Actor.Participant)
	text("request_id", e.RequestID)
	text("result", e.Result)
	text("subject", e.Subject)
	b = strconv.AppendInt(append(b, `,"v":`...), int64(e.Form), 10)
	b = strconv.AppendInt(append(b, `,"version":`...), int64(e.Version), 10)
	return append(b, '}')
}

// namesOf returns the names of details in the order of RFC 8785: that of their UTF-16.
func namesOf(detail map[string]string) []string {
	if len(detail) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Keys(detail), func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
}

// Entry returns the event for a list of all logs. altered says that it doesn't fit its hash,
// or that it can't be opened to compare.
func (e Event) Entry(p Private, altered bool) Entry {
	return Entry{
		Log: e.Log, Seq: e.Seq, ID: e.ID, At: e.At.UTC(), Action: string(e.Action), Actor: e.Actor.ID, Participant: e.Actor.Participant,
		Subject: e.Subject, Version: e.Version, Party: p.Detail["party"], Result: e.Result, Hash: hex.EncodeToString(e.Hash[:]), Altered: altered,
	}.Requested(e.RequestID)
}
