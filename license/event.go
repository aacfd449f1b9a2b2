package license

import (
	"time"
)

// Actor is who does something: a client, for its participant, perhaps an
// officer through it.
type Actor struct {
	Client      string // client id; "cli" for an operator's command
	Participant string // participant id
	USCC        string // the participant's unified social credit code
	RequestID   string // of the HTTP request, for finding it in the log
}

// Action is what was done. The names are stable.
type Action string

const (
	ActionIssue      Action = "license.issue"
	ActionReplace    Action = "license.replace"
	ActionSuspend    Action = "license.suspend"
	ActionResume     Action = "license.resume"
	ActionEnd        Action = "license.end"
	ActionRead       Action = "license.read"
	ActionCredential Action = "license.credential"
	ActionHistory    Action = "license.history"
	ActionSearch     Action = "license.search"
	ActionTypePut    Action = "type.put"
	ActionTypePubl   Action = "type.publish"
	ActionTypeRetire Action = "type.retire"
	ActionTypeRead   Action = "type.read"
)

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

// Event is an event, opened: what a license's history shows.
type Event struct {
	Seq         int64             `json:"seq"`
	ID          string            `json:"id"`
	At          time.Time         `json:"at"`
	Action      Action            `json:"action"`
	Client      string            `json:"client"`
	Participant string            `json:"participant"`
	RequestID   string            `json:"request_id,omitempty"`
	License     ID                `json:"license,omitempty"`
	Version     int               `json:"version,omitempty"`
	Result      string            `json:"result"`
	Detail      map[string]string `json:"detail,omitempty"` // reason, kind, …; may be personal
}
