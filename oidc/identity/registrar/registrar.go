// Package registrar is where an authority changes who people are: a system of a department, by
// requests of its client, or an operator, by commands. It brings people in one by one, finds them by
// a number that it knows, and changes what is known of them, with the evidence for it.
//
// Each person is of one source at the most: the system of whose record the account was made. A client
// sees and changes people of its own sources alone. Of others it is told the same as of nobody, so
// that nobody learns by asking who has an account. Operators change everybody.
//
// A change is stored in one transaction with its event, if nobody changed the person since the caller
// read them.
package registrar

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

// Reasons of this package. Those of new people are package intake's.
const (
	ReasonUnknown identity.Reason = "person_unknown" // there is nobody, or nobody of the caller's
	ReasonCode    identity.Reason = "code_invalid"   // it is no number of a person's document
)

// Caller is who asks.
type Caller struct {
	Actor     string   // the client's id, or that of an operator
	RequestID string   // of the HTTP request; empty: none
	Operator  bool     // sees and changes everybody, and isn't bound to a level below 3
	Sources   []string // whose people a client may see and change; new ones are of the first
	Level     int      // the highest proofing level that a client may give
}

// owns reports whether the caller may see and change somebody.
func (c Caller) owns(who identity.Someone) bool {
	origin := who.Account.Origin()
	return c.Operator || origin != "" && slices.Contains(c.Sources, origin)
}

// did returns what the caller did to an account, for its event.
func (c Caller) did(action journal.Action, account string) journal.Fact {
	return identity.Did(c.Actor, action, account, c.RequestID, journal.ResultOK)
}

// Journal makes and records events; [journal.Recorder] does.
type Journal interface {
	Record(ctx context.Context, f journal.Fact) error
	Event(ctx context.Context, f journal.Fact) (journal.Event, error)
}

// Change is what is stored of a change to somebody: all of it, or nothing.
type Change struct {
	identity.Renewal
	Event journal.Event
}

// Merge is what is stored of a merger: all of it, or nothing. Both renewals have a party.
type Merge struct {
	Kept, Merged identity.Renewal
	Events       []journal.Event
}

// Store keeps changes to people. Every driver passes storagetest/identities.Changes.
type Store interface {
	// ChangePerson saves a person's account, and the party if there is one, as
	// [identity.Accounts].UpdateAccount and [identity.Parties].UpdateParty do, and appends the
	// event, in one transaction. ErrConflict if one of the two isn't of that revision any more,
	// ErrExists if a login or a code leads to somebody else: then nothing is stored.
	ChangePerson(ctx context.Context, c Change) error
	// MergePeople saves both accounts and both parties of a merger, and appends its events, in one
	// transaction. What led to the merged one may lead to the kept one then. ErrConflict if one of
	// the four isn't of that revision any more, ErrExists if a login or a code leads to a third one: then
	// nothing is stored.
	MergePeople(ctx context.Context, m Merge) error
}

// Config says what a Service works with. All is required.
type Config struct {
	Store   Store
	People  *identity.Service
	Intake  *intake.Service
	Journal Journal
	Notices *notice.Notices // who was merged is told
}

// Service has the rules of an authority's changes to people. Safe for concurrent use.
type Service struct {
	c      Config
	roster *identity.Roster
}

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.People == nil || c.Intake == nil || c.Journal == nil || c.Notices == nil {
		return nil, errors.New("a registrar needs a Store, People, Intake, a Journal and Notices")
	}
	return &Service{c, identity.NewRoster(c.People)}, nil
}

// unknown is the answer of which nobody learns whether there is somebody.
func unknown() error {
	return &identity.Error{Reason: ReasonUnknown, Detail: "there is nobody with that id or number, or nobody of your sources", Err: identity.ErrNotFound}
}

// Find returns the person to whom a code leads or has led. It records who was found. Refusals are
// *identity.Error: code_invalid, person_unknown. Whether nobody has the code or somebody of another
// source, the answer is the same, and it takes as many queries.
func (s *Service) Find(ctx context.Context, c Caller, code party.Code) (identity.Someone, error) {
	code, err := personCode(code)
	if err != nil {
		return identity.Someone{}, err
	}
	who, err := s.roster.FindSomeone(ctx, code)
	if err == nil && !c.owns(who) || errors.Is(err, identity.ErrNotFound) {
		return identity.Someone{}, unknown()
	}
	if err != nil {
		return identity.Someone{}, fmt.Errorf("finding a person: %w", err)
	}
	return who, s.c.Journal.Record(ctx, c.did(journal.ActionPersonFind, who.Account.ID))
}

// personCode checks the number of a person's document, and returns it in the form in which it is stored.
func personCode(code party.Code) (party.Code, error) {
	code, err := party.ParseCode(code.Type, code.Value)
	if err != nil || code.Type.Class() != party.Person {
		return code, &identity.Error{Reason: ReasonCode, Detail: "that is not the number of a person's document of that type", Err: err}
	}
	return code, nil
}

// Read returns a person by the account's id, and records it. *identity.Error: person_unknown.
func (s *Service) Read(ctx context.Context, c Caller, account string) (identity.Someone, error) {
	who, err := s.someone(ctx, c, account)
	if err != nil {
		return identity.Someone{}, err
	}
	return who, s.c.Journal.Record(ctx, c.did(journal.ActionPersonRead, account))
}

// someone returns a person whom the caller may see.
func (s *Service) someone(ctx context.Context, c Caller, account string) (identity.Someone, error) {
	who, err := s.roster.Someone(ctx, account)
	if err == nil && !c.owns(who) || errors.Is(err, identity.ErrNotFound) {
		return identity.Someone{}, unknown()
	}
	if err != nil {
		return identity.Someone{}, fmt.Errorf("reading a person: %w", err)
	}
	return who, nil
}
