package identity

import (
	"context"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// The stores in this file give each record an authenticator, which is made from what is
// saved. For a record whose authenticator doesn't fit they return signing.ErrAltered.

type authenticParticipants struct {
	Participants
	auth *signing.Authenticator
}

// AuthenticParticipants returns a store that returns only participants of p as they were
// written here, and signing.ErrAltered for any other.
func AuthenticParticipants(p Participants, a *signing.Authenticator) Participants {
	return &authenticParticipants{p, a}
}

func (p *Participant) facts(revision int64) *signing.Facts {
	f := signing.NewFacts("participants", p.ID, revision).
		Text(string(p.USCC), p.Name, string(p.Class), p.AreaCode, p.Parent, p.Successor).
		Int(int64(p.Level)).Flag(p.Disabled).Time(p.Created, p.Updated)
	for _, tag := range p.Names.Languages() { // empty in records from before Names existed
		f.Text(tag, p.Names[tag])
	}
	return f
}

func (s *authenticParticipants) verify(p Participant, err error) (Participant, error) {
	if err == nil {
		err = s.auth.Verify(p.facts(p.Revision), p.Auth, p.Mark)
	}
	if err != nil {
		return Participant{}, err
	}
	return p, nil
}

// CreateParticipant implements [Participants].
func (s *authenticParticipants) CreateParticipant(ctx context.Context, p Participant) (err error) {
	if p.Auth, p.Mark, err = s.auth.Stamp(p.facts(1)); err != nil {
		return err
	}
	return s.Participants.CreateParticipant(ctx, p)
}

// UpdateParticipant implements [Participants].
func (s *authenticParticipants) UpdateParticipant(ctx context.Context, p Participant) (err error) {
	if p.Auth, p.Mark, err = s.auth.Stamp(p.facts(p.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Participants.UpdateParticipant(ctx, p), "participants", p.ID, p.Revision+1)
}

// LoadParticipant implements [Participants].
func (s *authenticParticipants) LoadParticipant(ctx context.Context, id string) (Participant, error) {
	return s.verify(s.Participants.LoadParticipant(ctx, id))
}

// FindParticipant implements [Participants].
func (s *authenticParticipants) FindParticipant(ctx context.Context, code party.USCC) (Participant, error) {
	return s.verify(s.Participants.FindParticipant(ctx, code))
}

// ListParticipants implements [Participants], and leaves out participants that were altered.
func (s *authenticParticipants) ListParticipants(ctx context.Context, after string, limit int) ([]Participant, error) {
	return signing.Fitting(limit, func(last *Participant, n int) ([]Participant, error) {
		if last != nil {
			after = last.ID
		}
		return s.Participants.ListParticipants(ctx, after, n)
	}, func(r *Participant) error { _, err := s.verify(*r, nil); return err })
}

// AuthenticParties returns a store that returns only parties of p as they were written here.
func AuthenticParties(p Parties, a *signing.Authenticator) Parties { return &authenticParties{p, a} }

type authenticParties struct {
	Parties
	auth *signing.Authenticator
}

func (p *PartyRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("parties", p.ID, revision).Text(string(p.Kind)).Sealed(p.Body).Time(p.Created, p.Updated)
}

func (s *authenticParties) verify(p PartyRecord, err error) (PartyRecord, error) {
	if err == nil {
		err = s.auth.Verify(p.facts(p.Revision), p.Auth, p.Mark)
	}
	if err != nil {
		return PartyRecord{}, err
	}
	return p, nil
}

// CreateParty implements [Parties].
func (s *authenticParties) CreateParty(ctx context.Context, p PartyRecord) (err error) {
	if p.Auth, p.Mark, err = s.auth.Stamp(p.facts(1)); err != nil {
		return err
	}
	return s.Parties.CreateParty(ctx, p)
}

// UpdateParty implements [Parties].
func (s *authenticParties) UpdateParty(ctx context.Context, p PartyRecord) (err error) {
	if p.Auth, p.Mark, err = s.auth.Stamp(p.facts(p.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Parties.UpdateParty(ctx, p), "parties", p.ID, p.Revision+1)
}

// LoadParty implements [Parties].
func (s *authenticParties) LoadParty(ctx context.Context, id string) (PartyRecord, error) {
	return s.verify(s.Parties.LoadParty(ctx, id))
}

// FindParty implements [Parties].
func (s *authenticParties) FindParty(ctx context.Context, keys []signing.Lookup) (PartyRecord, error) {
	return s.verify(s.Parties.FindParty(ctx, keys))
}

// ListParties implements [Parties], and leaves out parties that were altered.
func (s *authenticParties) ListParties(ctx context.Context, after string, limit int) ([]PartyRecord, error) {
	return signing.Fitting(limit, func(last *PartyRecord, n int) ([]PartyRecord, error) {
		if last != nil {
			after = last.ID
		}
		return s.Parties.ListParties(ctx, after, n)
	}, func(r *PartyRecord) error { _, err := s.verify(*r, nil); return err })
}

// AuthenticAccounts returns a store that returns only accounts of s as they were written here.
func AuthenticAccounts(s Accounts, a *signing.Authenticator) Accounts {
	return &authenticAccounts{s, a}
}

type authenticAccounts struct {
	Accounts
	auth *signing.Authenticator
}

func (a *AccountRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("accounts", a.ID, revision).Text(a.Party).Flag(a.Disabled).Sealed(a.Body).Time(a.Created, a.Updated)
}

func (s *authenticAccounts) verify(a AccountRecord, err error) (AccountRecord, error) {
	if err == nil {
		err = s.auth.Verify(a.facts(a.Revision), a.Auth, a.Mark)
	}
	if err != nil {
		return AccountRecord{}, err
	}
	return a, nil
}

// CreateAccount implements [Accounts].
func (s *authenticAccounts) CreateAccount(ctx context.Context, a AccountRecord) (err error) {
	if a.Auth, a.Mark, err = s.auth.Stamp(a.facts(1)); err != nil {
		return err
	}
	return s.Accounts.CreateAccount(ctx, a)
}

// UpdateAccount implements [Accounts].
func (s *authenticAccounts) UpdateAccount(ctx context.Context, a AccountRecord) (err error) {
	if a.Auth, a.Mark, err = s.auth.Stamp(a.facts(a.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Accounts.UpdateAccount(ctx, a), "accounts", a.ID, a.Revision+1)
}

// LoadAccount implements [Accounts].
func (s *authenticAccounts) LoadAccount(ctx context.Context, id string) (AccountRecord, error) {
	return s.verify(s.Accounts.LoadAccount(ctx, id))
}

// LoadAccountOf implements [Accounts].
func (s *authenticAccounts) LoadAccountOf(ctx context.Context, party string) (AccountRecord, error) {
	return s.verify(s.Accounts.LoadAccountOf(ctx, party))
}

// FindAccount implements [Accounts].
func (s *authenticAccounts) FindAccount(ctx context.Context, keys []signing.Lookup) (AccountRecord, error) {
	return s.verify(s.Accounts.FindAccount(ctx, keys))
}

// ListAccounts implements [Accounts], and leaves out accounts that were altered.
func (s *authenticAccounts) ListAccounts(ctx context.Context, after string, limit int) ([]AccountRecord, error) {
	return signing.Fitting(limit, func(last *AccountRecord, n int) ([]AccountRecord, error) {
		if last != nil {
			after = last.ID
		}
		return s.Accounts.ListAccounts(ctx, after, n)
	}, func(r *AccountRecord) error { _, err := s.verify(*r, nil); return err })
}
