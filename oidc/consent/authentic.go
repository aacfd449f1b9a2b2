package consent

import (
	"context"
	"slices"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Authentic returns a store that leaves out consents of c that were withdrawn, even if
// their rows were put back.
func Authentic(c Store, a *signing.Authenticator) Store {
	return &authenticConsents{c, a}
}

type authenticConsents struct {
	Store
	auth *signing.Authenticator
}

// stamp makes the registers of consents that end. The revision in a register is the second at
// which the consent would have expired, which tells when the register may be deleted.
func (s *authenticConsents) stamp(all []Ended) (ended []Ended, err error) {
	ended = slices.Clone(all)
	for i, c := range ended {
		if _, ended[i].Mark, err = s.auth.Stamp(signing.NewFacts("consents", c.ID, c.Expires.Unix())); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// CreateConsent implements [Store].
func (s *authenticConsents) CreateConsent(ctx context.Context, c Record, instead []Ended, es ...journal.Event) error {
	ended, err := s.stamp(instead)
	if err != nil {
		return err
	}
	return s.Store.CreateConsent(ctx, c, ended, es...)
}

// DeleteConsents implements [Store].
func (s *authenticConsents) DeleteConsents(ctx context.Context, all []Ended, es ...journal.Event) error {
	ended, err := s.stamp(all)
	if err != nil {
		return err
	}
	return s.Store.DeleteConsents(ctx, ended, es...)
}

// ListConsents implements [Store], and leaves out consents that were withdrawn and whose
// rows were put back.
func (s *authenticConsents) ListConsents(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]Record, error) {
	all, err := s.Store.ListConsents(ctx, party, at, limit)
	if err != nil {
		return nil, err
	}
	return signing.FittingAll(all, func(c *Record) error {
		if c.Mark == nil {
			return nil
		}
		return s.auth.Refuse("consents", c.ID, "it was withdrawn")
	})
}
