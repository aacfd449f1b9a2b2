package identities

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/storage/storagetest/suite"
)

// Participants tests [identity.Participants].
func Participants(t *testing.T, open suite.Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { participantsRoundTrip(t, s) })
	t.Run("Update", func(t *testing.T) { participantsUpdate(t, s) })
	t.Run("Race", func(t *testing.T) { participantsRace(t, s) })
	t.Run("List", func(t *testing.T) { participantsList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		p := newParticipant()
		suite.Is(t, "CreateParticipant", s.CreateParticipant(suite.Ended(), p), context.Canceled)
		_, err := s.LoadParticipant(t.Context(), p.ID)
		suite.Is(t, "LoadParticipant after that", err, identity.ErrNotFound)
		_, err = s.LoadParticipant(suite.Ended(), p.ID)
		suite.Is(t, "LoadParticipant", err, context.Canceled)
		_, err = s.FindParticipant(suite.Ended(), p.USCC)
		suite.Is(t, "FindParticipant", err, context.Canceled)
		_, err = s.ListParticipants(suite.Ended(), "", 1)
		suite.Is(t, "ListParticipants", err, context.Canceled)
		suite.Is(t, "UpdateParticipant", s.UpdateParticipant(suite.Ended(), p), context.Canceled)
	})
}

// newParticipant makes a participant that isn't stored. No store reads the code.
func newParticipant() identity.Participant {
	return identity.Participant{
		ID: suite.NewText(), USCC: party.USCC(suite.NewText()[:18]), Name: "云岭省青禾市样例局", Class: identity.Government,
		AreaCode: "990101", Level: 3, Parent: suite.NewText(), Created: suite.At(0), Updated: suite.At(1),
	}
}

func createParticipant(t *testing.T, s identity.Participants, p identity.Participant) identity.Participant {
	t.Helper()
	suite.Must(t, "CreateParticipant", s.CreateParticipant(t.Context(), p))
	p.Revision = 1
	return p
}

// sameParticipant compares the stored participant, by ID and by code.
func sameParticipant(t *testing.T, s identity.Participants, what string, want identity.Participant) {
	t.Helper()
	got, err := s.LoadParticipant(t.Context(), want.ID)
	suite.Must(t, "LoadParticipant", err)
	suite.Same(t, what, got, want)
	got, err = s.FindParticipant(t.Context(), want.USCC)
	suite.Must(t, "FindParticipant", err)
	suite.Same(t, what+", found by its code", got, want)
}

func participantsRoundTrip(t *testing.T, s identity.Participants) {
	p := newParticipant()
	p.Successor, p.Disabled, p.Created, p.Updated, p.Revision = suite.NewText(), true, suite.Finer, suite.Finer, 9
	p.Names = party.Names{"en": "Sample Bureau of \"Qinghe\"", "bo": "དཔེ།"}
	p = createParticipant(t, s, p)
	p.Created, p.Updated = suite.Kept, suite.Kept
	sameParticipant(t, s, "a participant", p)
	bare := createParticipant(t, s, identity.Participant{ID: suite.NewText(), USCC: "code", Created: suite.At(0), Updated: suite.At(0)})
	sameParticipant(t, s, "one of whom little is known", bare)

	twin := newParticipant()
	twin.ID = p.ID
	suite.Is(t, "an ID again", s.CreateParticipant(t.Context(), twin), identity.ErrExists)
	_, err := s.FindParticipant(t.Context(), twin.USCC)
	suite.Is(t, "FindParticipant after that", err, identity.ErrNotFound)
	twin = newParticipant()
	twin.USCC = p.USCC
	suite.Is(t, "a code again", s.CreateParticipant(t.Context(), twin), identity.ErrExists)
	_, err = s.LoadParticipant(t.Context(), twin.ID)
	suite.Is(t, "LoadParticipant after that", err, identity.ErrNotFound)
	sameParticipant(t, s, "the participant that is there", p)
}

func participantsUpdate(t *testing.T, s identity.Participants) {
	ctx := t.Context()
	p := createParticipant(t, s, newParticipant())
	p.Name, p.Class, p.AreaCode, p.Level = "another name", identity.PublicService, "990102", 4
	p.Parent, p.Successor, p.Disabled, p.Updated = "", suite.NewText(), true, suite.At(7)
	p.Names = party.Names{"en": "another name"}
	suite.Must(t, "UpdateParticipant", s.UpdateParticipant(ctx, p))
	p.Revision = 2
	sameParticipant(t, s, "an updated participant", p)
	for _, revision := range []int64{0, 1, 3} {
		wrong := p
		wrong.Revision, wrong.Name = revision, "wrong"
		suite.Is(t, fmt.Sprint("UpdateParticipant of revision ", revision), s.UpdateParticipant(ctx, wrong), identity.ErrConflict)
	}
	suite.Is(t, "UpdateParticipant of an unknown one", s.UpdateParticipant(ctx, newParticipant()), identity.ErrConflict)
	sameParticipant(t, s, "the participant after refusals", p)

	// The code never changes, whether the driver refuses or ignores the try.
	moved := p
	moved.USCC = party.USCC(suite.NewText()[:18])
	if err := s.UpdateParticipant(ctx, moved); err == nil {
		p.Revision = 3
	}
	sameParticipant(t, s, "the participant after its code was to change", p)
	_, err := s.FindParticipant(ctx, moved.USCC)
	suite.Is(t, "FindParticipant by the other code", err, identity.ErrNotFound)
}

func participantsRace(t *testing.T, s identity.Participants) {
	ps := make([]identity.Participant, suite.Writers)
	code := newParticipant().USCC
	for i := range ps {
		ps[i] = newParticipant()
		ps[i].USCC = code
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.CreateParticipant(t.Context(), ps[i]) })
	p := ps[suite.OneWins(t, "a code", errs, identity.ErrExists)]
	p.Revision = 1
	sameParticipant(t, s, "the winner", p)
	errs = suite.Race(suite.Writers, func(int) error { return s.UpdateParticipant(t.Context(), p) })
	suite.OneWins(t, "an update", errs, identity.ErrConflict)
}

func participantsList(t *testing.T, s identity.Participants) {
	var want []identity.Participant
	for i := range 7 {
		p := newParticipant()
		p.ID = fmt.Sprintf("participant-%d", i)
		want = append(want, createParticipant(t, s, p))
	}
	for size := 1; size < 10; size += 2 {
		got := suite.Paged(t, size, func(last *identity.Participant) ([]identity.Participant, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListParticipants(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListParticipants(t.Context(), "", 0)
	suite.Must(t, "ListParticipants", err)
	suite.Same(t, "participants up to limit 0", len(none), 0)
}
