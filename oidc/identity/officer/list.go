package officer

import (
	"context"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Search says which of a participant's posts are listed.
type Search struct {
	Participant string // its id
	Ended       bool   // those that have ended, too
	Division    string // only those of that division; empty: of any
	Role        Role   // likewise
}

// List returns up to limit posts of a participant whose id is greater than after, the oldest first, and
// where to go on; empty: that is all. *identity.Error: those of [Service.Check], assurance_low.
func (s *Service) List(ctx context.Context, c Caller, what Search, after string, limit int) (posts []Seen, next string, err error) {
	if err := s.administers(ctx, c, what.Participant); err != nil {
		return nil, "", err
	}
	f := Filter{Participant: what.Participant, Live: !what.Ended, Role: what.Role}
	for {
		records, err := s.c.Store.ListPosts(ctx, f, after, rehashPage)
		page, err := s.openAll(ctx, records, err)
		if err != nil {
			return nil, "", err
		}
		for _, p := range page {
			if what.Division != "" && p.Division != what.Division {
				after = p.ID
				continue
			}
			if len(posts) == limit {
				return posts, after, nil
			}
			one, err := s.seen(ctx, p)
			if err != nil {
				return nil, "", err
			}
			posts, after = append(posts, one), p.ID
		}
		if len(page) < rehashPage {
			return posts, "", nil
		}
	}
}

// Post returns a post of a participant that the caller administers. *identity.Error: post_unknown,
// assurance_low.
func (s *Service) Post(ctx context.Context, c Caller, id string) (Seen, error) {
	p, err := s.administered(ctx, c, id)
	if err != nil {
		return Seen{}, err
	}
	return s.seen(ctx, p)
}

// FindStaff returns the post of a participant with a staff number that hasn't ended. *identity.Error: those of
// [Service.Check], post_unknown, assurance_low.
func (s *Service) FindStaff(ctx context.Context, c Caller, participant, number string) (Seen, error) {
	if err := s.administers(ctx, c, participant); err != nil {
		return Seen{}, err
	}
	keys, err := s.c.Vault.Lookups(ctx, domainStaff, participant, party.FoldCode(number))
	if err != nil {
		return Seen{}, err
	}
	records, err := s.c.Store.FindPosts(ctx, Whose{Claims: keys}, 1)
	posts, err := s.openAll(ctx, records, err)
	if err != nil {
		return Seen{}, err
	}
	if len(posts) == 0 || posts[0].Participant != participant || posts[0].StaffNumber != party.FoldCode(number) { // the row that led here isn't trusted
		return Seen{}, unknown()
	}
	return s.seen(ctx, posts[0])
}

// Administered returns the participants that a person administers now.
func (s *Service) Administered(ctx context.Context, c Caller) ([]identity.Participant, error) {
	mine, err := s.Mine(ctx, c.Party)
	if err != nil {
		return nil, err
	}
	var all []identity.Participant
	for _, p := range mine {
		if p.State == Accepted && p.Over == "" && p.Has(Administrator) {
			all = append(all, p.In)
		}
	}
	return all, nil
}

// Vacant returns the participants that have posts and no administrator who counts now, for operators.
func (s *standings) Vacant(ctx context.Context) ([]string, error) {
	seen := map[string]bool{}
	var vacant []string
	for after := ""; ; {
		records, err := s.c.Store.ListPosts(ctx, Filter{Live: true}, after, rehashPage)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if after = r.ID; r.State != Accepted || seen[r.Participant] {
				continue
			}
			seen[r.Participant] = true
			all, err := s.administrators(ctx, r.Participant)
			if err != nil {
				return nil, err
			}
			if len(all) == 0 {
				vacant = append(vacant, r.Participant)
			}
		}
		if len(records) < rehashPage {
			return vacant, nil
		}
	}
}
