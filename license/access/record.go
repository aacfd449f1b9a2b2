// Package access lets clients read licenses by use codes, and keeps who read what: the
// access record of a reading is on disk before anything is opened, and the holder sees it.
package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Disclosure says when the holder sees an access record.
type Disclosure string

const (
	DisclosureImmediate Disclosure = "immediate"
	DisclosureDeferred  Disclosure = "deferred"
	DisclosureWithheld  Disclosure = "withheld"
)

// Results of readings. Other results are the reasons for which a code's own client was refused.
const (
	ResultOK       = "ok"
	ResultMismatch = "client_mismatch" // the use code is another client's
)

// Record 用证记录 is one reading, or a refused one, as a store keeps it.
type Record struct {
	Seq         int64 // given by the store, rising
	ID          string
	At          time.Time
	Grant       grant.ID
	License     audit.ID
	Version     int
	Client      string
	Participant string
	Item        catalog.ItemCode
	Basis       grant.Basis
	Channel     grant.Channel
	Result      string // "ok" or a reason code
	Disclosure  Disclosure
	Body        []byte // sealed: case, parts, officer, representation, acting party
	// Party has the lookup keys that lead to the record from those whose record it is: the license's holders, and
	// the party who agreed. They are written with the record, and not read back.
	Party []signing.Lookup
}

// Reading is one use of a use code, allowed or refused, to be stored.
type Reading struct {
	Record Record
	Event  journal.Event
	Code   [32]byte // hash of the use code
	// Request is a keyed hash of the consumer's request id. An allowed reading stores it with the code; a refused
	// one doesn't.
	Request string
	// What the decision rests on, as LoadUse returned it.
	First           time.Time
	GrantRevision   int64
	LicenseRevision int64
	// CodeAuth is the use code's authenticator once its first use is Record.At.
	CodeAuth []byte
}

// Used is all that a use code leads to.
type Used struct {
	Code    grant.UseCodeRecord
	Grant   grant.Record
	License license.Record
	Version license.VersionRecord
	Earlier *Record // the record of an allowed reading with the same request id; nil if there is none
	// PutBack says that the code has no first use, although a request id was used with it.
	PutBack bool
}

// Config says what a [Service] works with. All of it is required.
type Config struct {
	Store   Stores // see AuthenticStores
	Vault   *vault.Vault
	Records *license.Records
	Grants  *grant.Service
	Journal *journal.Recorder
	Step    func(name string) // is called with the name of each step of a reading: failpoints of tests
}

// Service lets clients read licenses by use codes, and shows holders who read what. Safe
// for concurrent use.
type Service struct{ c Config }

// New returns a Service.
func New(c Config) *Service { return &Service{c} }

// Stores are what a [Service] keeps its records in.
type Stores interface {
	Store
	KeyStore
}

// Store keeps readings. Every driver passes storagetest/grants.Uses.
type Store interface {
	// LoadUse returns what a use code leads to, and the allowed reading with that request id, or ErrNotFound.
	// License and version are read at one moment. If anything else changes in between, SaveUse notices.
	LoadUse(ctx context.Context, grant grant.ID, code [32]byte, request string) (Used, error)
	// SaveUse stores a reading: its access record and its event, all or nothing. When it returns nil, they are on
	// disk. An allowed reading (Result "ok") also stores its request id and, if First is zero, Record.At as the
	// code's first use. It returns ErrNotFound if there is no such use code, and ErrConflict if anything that the
	// decision rests on has changed, or if the code has the request id already. It returns ErrExhausted if the
	// code has MaxReadings allowed readings already, or, for a refused reading, MaxRefusedReadings refused ones.
	// A change of the grant or the license comes wholly before SaveUse or wholly after it.
	SaveUse(ctx context.Context, u Reading) error
	// AccessRecords returns up to limit records to which one of the keys leads,
	// by Seq, the newest first, with a Seq less than before (0: all).
	AccessRecords(ctx context.Context, party []signing.Lookup, before int64, limit int) ([]Record, error)
	// LicenseAccessRecords returns up to limit records of a license, likewise.
	LicenseAccessRecords(ctx context.Context, id audit.ID, before int64, limit int) ([]Record, error)
}

// Bounds of a use code: how many readings it allows, each with a request id of its own, and how many refused
// readings are recorded. So nobody who has a code can write more records than that.
const (
	MaxReadings        = 100
	MaxRefusedReadings = 100
)

// Officer is a person 工作人员 who reads through a client, as the consuming system
// names them.
type Officer struct {
	ID       string `json:"id"`   // in the system that reads
	Name     string `json:"name"` // the holder sees it
	Division string `json:"division,omitempty"`
}

// Opened is an access record, opened: what a holder sees of a reading.
type Opened struct {
	Seq         int64            `json:"seq"`
	ID          string           `json:"id"`
	At          time.Time        `json:"at"`
	Grant       grant.ID         `json:"grant,omitempty"` // absent unless it is the viewer's
	License     audit.ID         `json:"license"`
	Version     int              `json:"version"`
	Client      string           `json:"client"`
	Participant string           `json:"participant"`
	Item        catalog.ItemCode `json:"item"`
	Basis       grant.Basis      `json:"basis"`
	Channel     grant.Channel    `json:"channel"`
	Result      string           `json:"result"`
	Disclosure  Disclosure       `json:"disclosure"`
	body
}

// body is the sealed part of an access record.
type body struct {
	Case           string   `json:"case,omitempty"` // absent unless the grant is the viewer's
	Fields         []string `json:"fields"`
	Officer        *Officer `json:"officer,omitempty"`
	Party          string   `json:"party,omitempty"` // likewise
	Acting         string   `json:"acting,omitempty"`
	Representation string   `json:"representation,omitempty"`
	// By is the name of the person who agreed for the party acted for, and Proving the license that proved that they
	// may.
	By       string         `json:"by,omitempty"`
	Proving  *offer.Proving `json:"proving,omitempty"`
	Withheld []string       `json:"withheld,omitempty"` // parts below holders that weren't read
	Nonce    string         `json:"nonce,omitempty"`
}

func accessPlace(id string) vault.Place {
	return vault.Place{Table: "access_records", Row: id, Column: "body"}
}

// domainAccess is the domain of the lookup keys of holders' codes, by which their access records are found.
const domainAccess = "access.holder"

// Page is one page of readings.
type Page struct {
	Records []Opened // newest first; may be fewer than were asked for, also on a page before the last
	Next    int64    // the before of the next page; 0: this was the last one
}

// AccessRecords lists readings, the newest first: those of the licenses of a subject, or of the organization
// acted for, and those by their grants. It returns up to limit, 1 to 100, with a Seq less than before (0: all).
// If a reading was by another's grant, as of a license held together, case and party stay hidden.
func (r *Service) AccessRecords(ctx context.Context, s offer.Subject, before int64, limit int) (Page, error) {
	owner := s.Owner()
	if owner == "" {
		return Page{}, fmt.Errorf("listing access records: the subject has no party id")
	}
	keys, err := r.accessKeys(ctx, owner, s.CodesOf(catalog.RelationApplicant))
	if err != nil {
		return Page{}, err
	}
	limit = min(max(limit, 1), license.MaxLimit)
	records, err := r.c.Store.AccessRecords(ctx, keys, before, limit)
	if err != nil {
		return Page{}, fmt.Errorf("listing access records: %w", err)
	}
	page := Page{Next: nextRecord(records, limit)}
	for _, rec := range records {
		a, mine, err := r.recordOf(ctx, s, rec, true)
		if err != nil {
			return Page{}, err
		}
		if mine {
			page.Records = append(page.Records, a)
		}
	}
	return page, nil
}

// recordPages is how many pages of a license's records are searched for those of one subject. Earlier holders may
// have records of the same license.
const recordPages = 10

// LicenseRecords is AccessRecords for one license: it lists the subject's readings of all its versions.
func (r *Service) LicenseRecords(ctx context.Context, s offer.Subject, id audit.ID, before int64, limit int) (Page, error) {
	if s.Owner() == "" {
		return Page{}, fmt.Errorf("listing access records of license %s: the subject has no party id", id)
	}
	limit = min(max(limit, 1), license.MaxLimit)
	page := Page{Next: before}
	if !id.Valid() {
		return Page{}, nil
	}
	for range recordPages {
		// One more than are shown, so that there is a next page only if it has something.
		records, err := r.c.Store.LicenseAccessRecords(ctx, id, page.Next, limit+1)
		if err != nil {
			return Page{}, fmt.Errorf("listing access records: %w", err)
		}
		for _, rec := range records {
			a, mine, err := r.recordOf(ctx, s, rec, false)
			if err != nil {
				return Page{}, err
			}
			if mine && len(page.Records) == limit {
				return page, nil
			}
			if page.Next = rec.Seq; mine {
				page.Records = append(page.Records, a)
			}
		}
		if len(records) <= limit {
			page.Next = 0
			break
		}
	}
	return page, nil
}

// nextRecord returns where the page after some records begins, or 0 if there is none.
func nextRecord(records []Record, limit int) int64 {
	if len(records) < limit {
		return 0
	}
	return records[limit-1].Seq
}

// recordOf opens a record as a subject may see it. mine reports whether it is theirs at all: the reading was by
// their grant, or of a license that they held. led says that a lookup row leads from the subject to the record.
func (r *Service) recordOf(ctx context.Context, s offer.Subject, rec Record, led bool) (a Opened, mine bool, err error) {
	if a, err = r.opened(ctx, rec); err != nil {
		return Opened{}, false, err
	}
	if s.Acting != "" && len(s.Types) > 0 {
		l, _, err := r.c.Records.Load(ctx, rec.License, rec.Version)
		if err != nil && !errors.Is(err, license.ErrNotFound) && !license.Unreadable(err) {
			return Opened{}, false, fmt.Errorf("loading license %s: %w", rec.License, err)
		}
		if err != nil || !s.Covers(l.Type) {
			return Opened{}, false, nil
		}
	}
	if a.owner() != s.Owner() {
		if mine, err = r.heldThen(ctx, rec, s.CodesOf(catalog.RelationApplicant), led); err != nil || !mine {
			return Opened{}, false, err
		}
		a.Grant, a.Case, a.Party, a.Acting, a.Representation, a.By, a.Proving = "", "", "", "", "", "", nil
	}
	a.Nonce = ""
	return a, true, nil
}

// heldThen reports whether one of the codes belongs to a holder of the license that was read. A lookup row that
// led from them to the record is not trusted.
func (r *Service) heldThen(ctx context.Context, rec Record, codes []party.Code, led bool) (bool, error) {
	_, v, err := r.c.Records.Load(ctx, rec.License, rec.Version)
	var holders []credential.Holder
	if err == nil {
		holders, err = r.c.Records.Holders(ctx, v)
	}
	if errors.Is(err, license.ErrNotFound) || license.Unreadable(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading license %s: %w", rec.License, err)
	}
	held := license.HeldBy(holders, "", codes)
	if !held && led {
		_ = r.c.Vault.Auth().Refuse("access_parties", rec.ID, "a party that it does not belong to leads to it") // logged, and counted
	}
	return held, nil
}

// accessKeys returns the lookup keys of the access records of a party and its codes.
func (r *Service) accessKeys(ctx context.Context, owner string, codes []party.Code) ([]signing.Lookup, error) {
	keys, err := r.c.Grants.PartyKeys(ctx, owner)
	if err != nil {
		return nil, err
	}
	for _, c := range codes {
		ks, err := r.c.Vault.Lookups(ctx, domainAccess, string(c.Type), c.Value)
		if err != nil {
			return nil, err
		}
		for _, k := range ks {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys, nil
}

// newAccess makes the record of a reading, but for its result, with the lookup keys of everybody whose record it
// is.
func (r *Service) newAccess(ctx context.Context, a audit.Actor, u *Used, g *grant.Grant, b body, now time.Time) (Record, error) {
	rec := Record{
		ID: string(audit.NewID()), At: now, Grant: g.ID, License: u.Code.License, Version: u.Code.Version,
		Client: a.Client, Participant: a.Participant, Item: g.Item, Basis: g.Basis, Channel: g.Channel,
		Disclosure: DisclosureImmediate,
	}
	plain, err := json.Marshal(b)
	if err != nil {
		return Record{}, fmt.Errorf("encoding an access record: %w", err)
	}
	if rec.Body, err = r.c.Vault.Seal(ctx, accessPlace(rec.ID), plain); err != nil {
		return Record{}, err
	}
	rec.Party, err = r.readersKeys(ctx, g.Owner(), u.Version)
	return rec, err
}

// OpenAccess opens the whole of an access record, for those who may see all of it. The record may come from an
// archive. If its body can't be opened, the error wraps [signing.ErrNoKey] or [signing.ErrSealed], and the result
// has what the plain columns say.
func (r *Service) OpenAccess(ctx context.Context, rec Record) (Opened, error) {
	a, err := r.opened(ctx, rec)
	a.Nonce = ""
	return a, err
}

func (r *Service) opened(ctx context.Context, rec Record) (Opened, error) {
	a := Opened{
		Seq: rec.Seq, ID: rec.ID, At: rec.At, Grant: rec.Grant, License: rec.License, Version: rec.Version,
		Client: rec.Client, Participant: rec.Participant, Item: rec.Item, Basis: rec.Basis, Channel: rec.Channel,
		Result: rec.Result, Disclosure: rec.Disclosure,
	}
	plain, err := r.c.Vault.Open(ctx, accessPlace(rec.ID), rec.Body)
	if err != nil {
		return a, fmt.Errorf("opening access record %s: %w", rec.ID, err)
	}
	if err := json.Unmarshal(plain, &a.body); err != nil {
		a.body = body{}
		return a, fmt.Errorf("decoding access record %s", rec.ID)
	}
	return a, nil
}
