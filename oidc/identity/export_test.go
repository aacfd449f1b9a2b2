package identity

import "context"

// PlantParty stores a party as Register does.
func (s *Service) PlantParty(ctx context.Context, p Party) error {
	r, err := s.sealParty(ctx, p)
	if err != nil {
		return err
	}
	return s.c.Parties.CreateParty(ctx, r)
}
