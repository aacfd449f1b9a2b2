package storagetest

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Participants tests [identity.Participants].
func Participants(t *testing.T, open Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { participantsRoundTrip(t, s) })
	t.Run("Update", func(t *testing.T) { participantsUpdate(t, s) })
	t.Run("Race", func(t *testing.T) { participantsRace(t, s) })
	t.Run("List", func(t *testing.T) { participantsList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		p := newParticipant()
		is(t, "CreateParticipant", s.CreateParticipant(ended(), p), context.Canceled)
		_, err := s.LoadParticipant(t.Context(), p.ID)
		is(t, "LoadParticipant after that", err, identity.ErrNotFound)
		_, err = s.LoadParticipant(ended(), p.ID)
		is(t, "LoadParticipant", err, context.Canceled)
		_, err = s.FindParticipant(ended(), p.USCC)
		is(t, "FindParticipant", err, context.Canceled)
		_, err = s.ListParticipants(ended(), "", 1)
		is(t, "ListParticipants", err, context.Canceled)
		is(t, "UpdateParticipant", s.UpdateParticipant(ended(), p), context.Canceled)
	})
}

// newParticipant makes a participant that isn't stored. No store reads the code.
func newParticipant() identity.Participant {
	return identity.Participant{
		ID: newText(), USCC: party.USCC(newText()[:18]), Name: "云岭省青禾市样例局", Class: identity.Government,
		AreaCode: "990101", Level: 3, Parent: newText(), Created: at(0), Updated: at(1),
	}
}

func createParticipant(t *testing.T, s identity.Participants, p identity.Participant) identity.Participant {
	t.Helper()
	must(t, "CreateParticipant", s.CreateParticipant(t.Context(), p))
	p.Revision = 1
	return p
}

// sameParticipant compares the stored participant, by ID and by code.
func sameParticipant(t *testing.T, s identity.Participants, what string, want identity.Participant) {
	t.Helper()
	got, err := s.LoadParticipant(t.Context(), want.ID)
	must(t, "LoadParticipant", err)
	same(t, what, got, want)
	got, err = s.FindParticipant(t.Context(), want.USCC)
	must(t, "FindParticipant", err)
	same(t, what+", found by its code", got, want)
}

func participantsRoundTrip(t *testing.T, s identity.Participants) {
	p := newParticipant()
	p.Successor, p.Disabled, p.Created, p.Updated, p.Revision = newText(), true, finer, finer, 9
	p.Names = party.Names{"en": "Sample Bureau of \"Qinghe\"", "bo": "དཔེ།"}
	p = createParticipant(t, s, p)
	p.Created, p.Updated = kept, kept
	sameParticipant(t, s, "a participant", p)
	bare := createParticipant(t, s, identity.Participant{ID: newText(), USCC: "code", Created: at(0), Updated: at(0)})
	sameParticipant(t, s, "one of whom little is known", bare)

	twin := newParticipant()
	twin.ID = p.ID
	is(t, "an ID again", s.CreateParticipant(t.Context(), twin), identity.ErrExists)
	_, err := s.FindParticipant(t.Context(), twin.USCC)
	is(t, "FindParticipant after that", err, identity.ErrNotFound)
	twin = newParticipant()
	twin.USCC = p.USCC
	is(t, "a code again", s.CreateParticipant(t.Context(), twin), identity.ErrExists)
	_, err = s.LoadParticipant(t.Context(), twin.ID)
	is(t, "LoadParticipant after that", err, identity.ErrNotFound)
	sameParticipant(t, s, "the participant that is there", p)
}

func participantsUpdate(t *testing.T, s identity.Participants) {
	ctx := t.Context()
	p := createParticipant(t, s, newParticipant())
	p.Name, p.Class, p.AreaCode, p.Level = "another name", identity.PublicService, "990102", 4
	p.Parent, p.Successor, p.Disabled, p.Updated = "", newText(), true, at(7)
	p.Names = party.Names{"en": "another name"}
	must(t, "UpdateParticipant", s.UpdateParticipant(ctx, p))
	p.Revision = 2
	sameParticipant(t, s, "an updated participant", p)
	for _, revision := range []int64{0, 1, 3} {
		wrong := p
		wrong.Revision, wrong.Name = revision, "wrong"
		is(t, fmt.Sprint("UpdateParticipant of revision ", revision), s.UpdateParticipant(ctx, wrong), identity.ErrConflict)
	}
	is(t, "UpdateParticipant of an unknown one", s.UpdateParticipant(ctx, newParticipant()), identity.ErrConflict)
	sameParticipant(t, s, "the participant after refusals", p)

	// The code never changes, whether the driver refuses or ignores the try.
	moved := p
	moved.USCC = party.USCC(newText()[:18])
	if err := s.UpdateParticipant(ctx, moved); err == nil {
		p.Revision = 3
	}
	sameParticipant(t, s, "the participant after its code was to change", p)
	_, err := s.FindParticipant(ctx, moved.USCC)
	is(t, "FindParticipant by the other code", err, identity.ErrNotFound)
}

func participantsRace(t *testing.T, s identity.Participants) {
	ps := make([]identity.Participant, Writers)
	code := newParticipant().USCC
	for i := range ps {
		ps[i] = newParticipant()
		ps[i].USCC = code
	}
	errs := race(Writers, func(i int) error { return s.CreateParticipant(t.Context(), ps[i]) })
	p := ps[oneWins(t, "a code", errs, identity.ErrExists)]
	p.Revision = 1
	sameParticipant(t, s, "the winner", p)
	errs = race(Writers, func(int) error { return s.UpdateParticipant(t.Context(), p) })
	oneWins(t, "an update", errs, identity.ErrConflict)
}

func participantsList(t *testing.T, s identity.Participants) {
	var want []identity.Participant
	for i := range 7 {
		p := newParticipant()
		p.ID = fmt.Sprintf("participant-%d", i)
		want = append(want, createParticipant(t, s, p))
	}
	for size := 1; size < 10; size += 2 {
		got := paged(t, size, func(last *identity.Participant) ([]identity.Participant, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListParticipants(t.Context(), after, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListParticipants(t.Context(), "", 0)
	must(t, "ListParticipants", err)
	same(t, "participants up to limit 0", len(none), 0)
}
