package intake

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// domainRecord is the domain of lookup keys of records. Never change it: stored values depend on it.
const domainRecord = "intake.record"

// link says which record of a source led to which account. Its digest says what the row said: an
// HMAC under a key of its own, which is sealed with it, so that it outlives the lookup keys.
type link struct {
	Source  string `json:"source"`
	Record  string `json:"record"` // the record's id there
	Account string `json:"account"`
	Made    bool   `json:"made,omitempty"` // the account was made of this record; else the person had it already
	Key     []byte `json:"key"`
	Digest  []byte `json:"digest"`
}

// says reports whether a row says what the link's row said.
func (l link) says(content []string) bool { return hmac.Equal(l.Digest, digest(l.Key, content)) }

// digest is HMAC-SM3 over texts, each with its length.
func digest(key []byte, content []string) []byte {
	h := hmac.New(sm3.New, key)
	for _, c := range content {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(c))))
		h.Write([]byte(c))
	}
	return h.Sum(nil)
}

func place(id string) vault.Place { return vault.Place{Table: "links", Row: id, Column: "body"} }

func (s *Service) keys(ctx context.Context, source, record string) ([]signing.Lookup, error) {
	return s.c.Vault.Lookups(ctx, domainRecord, source, record)
}

// findLink returns the link of a record, or ErrNotFound.
func (s *Service) findLink(ctx context.Context, source, record string) (link, error) {
	keys, err := s.keys(ctx, source, record)
	if err != nil {
		return link{}, err
	}
	r, err := s.c.Links.FindLink(ctx, keys)
	if err != nil {
		return link{}, err
	}
	var l link
	if err := s.c.Vault.OpenJSON(ctx, place(r.ID), r.Body, &l); err != nil {
		return link{}, fmt.Errorf("link %s: %w", r.ID, err)
	}
	if l.Source != source || l.Record != record { // the row that led here isn't trusted
		return link{}, s.c.Vault.Auth().Refuse("link_keys", r.ID, "the key of another record leads to it")
	}
	return l, nil
}

// newLink returns the record of a link whose row said content.
func (s *Service) newLink(ctx context.Context, l link, content []string) (LinkRecord, error) {
	l.Key = make([]byte, sm3.Size)
	rand.Read(l.Key)
	l.Digest = digest(l.Key, content)
	r, err := s.seal(ctx, identity.NewOrderedID(), l)
	r.Created = time.Now().UTC()
	return r, err
}

func (s *Service) seal(ctx context.Context, id string, l link) (LinkRecord, error) {
	keys, err := s.keys(ctx, l.Source, l.Record)
	if err != nil {
		return LinkRecord{}, err
	}
	body, err := s.c.Vault.SealJSON(ctx, place(id), l)
	return LinkRecord{ID: id, Body: body, Keys: keys}, err
}

// rehashPage is how many links Rehash takes at a time.
const rehashPage = 200

// Rehash gives every link its lookup keys under all live lookup keys, and seals it under the
// active data key; see identity.Service.RehashLogins. It calls progress with how many it has done.
func (s *Service) Rehash(ctx context.Context, progress func(done int)) error {
	done := 0
	for after := ""; ; {
		records, err := s.c.Links.ListLinks(ctx, after, rehashPage)
		if err != nil {
			return fmt.Errorf("listing links: %w", err)
		}
		for _, r := range records {
			var l link
			err := s.c.Vault.OpenJSON(ctx, place(r.ID), r.Body, &l)
			if err == nil {
				var renewed LinkRecord
				if renewed, err = s.seal(ctx, r.ID, l); err == nil {
					err = s.c.Links.UpdateLink(ctx, renewed, r.Body)
				}
			}
			if err != nil && !errors.Is(err, identity.ErrConflict) { // then another process has renewed it
				return fmt.Errorf("renewing lookup keys of link %s: %w", r.ID, err)
			}
			after, done = r.ID, done+1
		}
		if progress(done); len(records) < rehashPage {
			return nil
		}
	}
}
