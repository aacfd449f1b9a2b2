// Package intake takes in the accounts of other systems, a row each. A [Source] is such a system,
// and how well it knew its people: an operator decides that, and no row can exceed it. A row
// becomes a party and an account by the rules of package identity, or it is refused with a
// [Reason]; a link says which record of the source led to which party, so that the same rows
// can be brought again and change nothing.
package intake

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Source is a system whose accounts are taken in.
type Source struct {
	Name        string // such as qinghe-portal; never changes
	DisplayName string // for people
	Level       int    // the highest proofing level that its records may have, 1 to 3
	Created     time.Time
	Updated     time.Time
	Revision    int64 // counts updates, from 1

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // the record's register, likewise; nil before revision 2
}

// Sources keeps sources. Every driver passes storagetest/identities.Sources.
type Sources interface {
	// CreateSource stores s with revision 1. ErrExists if its name is taken.
	CreateSource(ctx context.Context, s Source) error
	// LoadSource returns the source of that name, or ErrNotFound.
	LoadSource(ctx context.Context, name string) (Source, error)
	// UpdateSource saves s and counts the revision up, if the stored revision is s.Revision;
	// otherwise ErrConflict. Name and Created never change.
	UpdateSource(ctx context.Context, s Source) error
	// ListSources returns up to limit sources with a name greater than after, by name.
	ListSources(ctx context.Context, after string, limit int) ([]Source, error)
}

// LinkRecord says, as a store keeps it, which record of a source led to which account. It needs no
// authenticator: all that decides is in the body, which is sealed to its row, and no link
// ever says something else than it did first.
type LinkRecord struct {
	ID      string
	Body    []byte // sealed: link as JSON
	Created time.Time
	// Keys has the lookup keys of the source and the record's id, under every live lookup key.
	// They are written, and not read back.
	Keys []signing.Lookup
}

// Arrival is what a row brings in. It is stored whole, or not at all.
type Arrival struct {
	Link LinkRecord
	Made *identity.Newcomer // nil: the person had an account already
	// Event is that of the account which is made.
	Event journal.Event
}

// Links keeps links. Every driver passes storagetest/identities.Links.
type Links interface {
	// Arrive stores an arrival in one transaction. ErrExists if the link's ID is taken or one of
	// its keys leads to another link, and for the same reasons as
	// [identity.Accounts].CreateAccount and [identity.Parties].CreateParty: then nothing is stored.
	Arrive(ctx context.Context, a Arrival) error
	// FindLink returns the link to which one of the keys leads, or ErrNotFound.
	FindLink(ctx context.Context, keys []signing.Lookup) (LinkRecord, error)
	// UpdateLink saves l's body, and replaces the stored keys by l's, if the stored body is old;
	// otherwise ErrConflict. ErrExists if one of the keys leads to another link.
	UpdateLink(ctx context.Context, l LinkRecord, old []byte) error
	// ListLinks returns up to limit links with an ID greater than after, by ID.
	ListLinks(ctx context.Context, after string, limit int) ([]LinkRecord, error)
}

type authenticSources struct {
	Sources
	auth *signing.Authenticator
}

// AuthenticSources returns a store that returns only sources of s as they were written here, and
// signing.ErrAltered for any other.
func AuthenticSources(s Sources, a *signing.Authenticator) Sources { return &authenticSources{s, a} }

func (s *Source) facts(revision int64) *signing.Facts {
	return signing.NewFacts("sources", s.Name, revision).Text(s.DisplayName).Int(int64(s.Level)).Time(s.Created, s.Updated)
}

func (a *authenticSources) CreateSource(ctx context.Context, s Source) (err error) {
	if s.Auth, s.Mark, err = a.auth.Stamp(s.facts(1)); err != nil {
		return err
	}
	return a.Sources.CreateSource(ctx, s)
}

func (a *authenticSources) UpdateSource(ctx context.Context, s Source) (err error) {
	if s.Auth, s.Mark, err = a.auth.Stamp(s.facts(s.Revision + 1)); err != nil {
		return err
	}
	return a.auth.Wrote(a.Sources.UpdateSource(ctx, s), "sources", s.Name, s.Revision+1)
}

func (a *authenticSources) LoadSource(ctx context.Context, name string) (Source, error) {
	s, err := a.Sources.LoadSource(ctx, name)
	if err == nil {
		err = a.auth.Verify(s.facts(s.Revision), s.Auth, s.Mark)
	}
	if err != nil {
		return Source{}, err
	}
	return s, nil
}

func (a *authenticSources) ListSources(ctx context.Context, after string, limit int) ([]Source, error) {
	return signing.Fitting(limit, func(last *Source, n int) ([]Source, error) {
		if last != nil {
			after = last.Name
		}
		return a.Sources.ListSources(ctx, after, n)
	}, func(s *Source) error { return a.auth.Verify(s.facts(s.Revision), s.Auth, s.Mark) })
}

// Journal makes and records events; [journal.Recorder] does.
type Journal interface {
	identity.Journal
	Event(ctx context.Context, f journal.Fact) (journal.Event, error)
}

// Config says what a Service works with. All is required.
type Config struct {
	Sources   Sources
	Links     Links
	People    *identity.Service
	Passwords Passwords
	Vault     *vault.Vault
	Journal   Journal
}

// Passwords reads hashes of other systems; [yizheng.internal/oidc/identity/password.Hasher] does.
type Passwords interface {
	// Foreign reads a hash as another system wrote it. It returns false for a form that isn't
	// known, and for a hash that would cost too much to check.
	Foreign(text string) (hash identity.PasswordHash, ok bool)
	// Adopt makes of a hash that Foreign read the one that is stored.
	Adopt(ctx context.Context, hash identity.PasswordHash) (identity.PasswordHash, error)
}

// Service takes accounts in. Safe for concurrent use.
type Service struct{ c Config }

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.Sources == nil || c.Links == nil || c.People == nil || c.Passwords == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("taking in accounts needs Sources, Links, People, Passwords, a Vault and a Journal")
	}
	c.Sources = AuthenticSources(c.Sources, c.Vault.Auth())
	return &Service{c}, nil
}

var sourceName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)

// PutSource stores a source of that name, new or changed. *identity.Error: source_invalid.
func (s *Service) PutSource(ctx context.Context, actor string, of Source) (stored Source, err error) {
	if !sourceName.MatchString(of.Name) || !party.Visible(of.DisplayName) || utf8.RuneCountInString(of.DisplayName) > 200 || of.Level < 1 || of.Level > 3 {
		return Source{}, &identity.Error{Reason: "source_invalid", Detail: "a source has a name of 2 to 32 small letters, digits and -, a display name of at most 200 visible characters, and a level from 1 to 3"}
	}
	now := time.Now().UTC()
	err = s.c.Journal.Change(ctx, identity.Did(actor, journal.ActionSourcePut, of.Name, "", ""), func() error {
		stored, err = s.c.Sources.LoadSource(ctx, of.Name)
		if errors.Is(err, identity.ErrNotFound) {
			stored = Source{Name: of.Name, DisplayName: of.DisplayName, Level: of.Level, Created: now, Updated: now, Revision: 1}
			return s.c.Sources.CreateSource(ctx, stored)
		}
		if err != nil {
			return err
		}
		if of.DisplayName != "" {
			stored.DisplayName = of.DisplayName
		}
		stored.Level, stored.Updated = of.Level, now
		err := s.c.Sources.UpdateSource(ctx, stored)
		stored.Revision++
		return err
	})
	if err != nil {
		return Source{}, fmt.Errorf("storing source %s: %w", of.Name, err)
	}
	return stored, nil
}

// Source returns the source of that name, or ErrNotFound.
func (s *Service) Source(ctx context.Context, name string) (Source, error) {
	if !sourceName.MatchString(name) {
		return Source{}, identity.ErrNotFound
	}
	of, err := s.c.Sources.LoadSource(ctx, name)
	if err != nil {
		return Source{}, fmt.Errorf("loading a source: %w", err)
	}
	return of, nil
}

// ListSources returns up to limit sources with a name greater than after, by name.
func (s *Service) ListSources(ctx context.Context, after string, limit int) ([]Source, error) {
	return s.c.Sources.ListSources(ctx, after, limit)
}
