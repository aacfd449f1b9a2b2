package registry

import (
	"context"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// ResultReplayed is the result of an event of a repeated request, which was
// answered as the first one was and changed nothing.
const ResultReplayed = "replayed"

// resultRefused stands in a license's history where a refusal's reason is not shown to the authority.
const resultRefused = "refused"

// Event is an event, opened: what a license's history shows.
type Event struct {
	Seq         int64 // rises from event to event
	ID          string
	At          time.Time
	Action      journal.Action
	Client      string // that did it; cli: and the operator's name for a command; empty: see shownTo
	Participant string
	RequestID   string
	License     audit.ID          // empty: about no one license
	Version     int               // 0: about no particular one
	Result      string            // ok, or why it was refused
	Detail      map[string]string // may be personal
}

// shownTo returns what the authority of a license sees of an event. It sees everything about its own acts, and
// about others' attempts at what only an authority may do. Readings by a use code, and looks by the holder, are
// between reader and holder: of these the authority sees what was done, when, and whether it was refused, but not
// by whom, by which grant or for which case.
func (e *Event) shownTo(a audit.Actor) Event {
	private := e.Action == journal.ActionLicenseRedeem || e.Action == journal.ActionLicenseHeld
	if !private || e.Participant != "" && e.Participant == a.Participant {
		return *e
	}
	out := Event{Seq: e.Seq, ID: e.ID, At: e.At, Action: e.Action, License: e.License, Version: e.Version, Result: e.Result}
	if out.Result != journal.ResultOK {
		out.Result = resultRefused
	}
	return out
}

// openEvent opens a stored event, and refuses one that doesn't fit its hash: it was altered.
func openEvent(ctx context.Context, vault *vault.Vault, e journal.Event) (Event, error) {
	p, err := journal.Open(ctx, vault, e)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Seq: e.Seq, ID: e.ID, At: e.At.UTC(), Action: e.Action, Client: e.Actor.ID, Participant: e.Actor.Participant,
		RequestID: e.RequestID, License: audit.ID(e.Subject), Version: e.Version, Result: e.Result, Detail: p.Detail,
	}, nil
}
