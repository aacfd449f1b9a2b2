package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
)

// soak returns the larger of two sizes when the tests run as a soak, and the
// smaller one else.
func soak(usual, large int) int {
	if os.Getenv("YIZHENG_SOAK") != "" {
		return large
	}
	return usual
}

// newLicense makes a request to save a new license, of the size of a real one.
func newLicense(list int64, index int) license.SaveRequest {
	id := audit.ID(fmt.Sprintf("%026x", random()))
	r := license.SaveRequest{
		Record: license.Record{ID: id, Type: "11100000000013338W032", Authority: "11990100MB1234567X",
			Version: 1, State: license.Active, Created: time.Now(), Updated: time.Now()},
		Add: &license.VersionRecord{License: id, Version: 1, State: license.Active, StatusList: list, StatusIndex: index,
			Issued: time.Now(), Body: make([]byte, 1200), Credential: make([]byte, 5000), HolderKey: make([]byte, 200)},
		Event: journal.Event{Log: journal.License, ID: fmt.Sprint(random()), At: time.Now(), Action: journal.ActionLicenseIssue, Actor: journal.Actor{ID: "client", Participant: "participant"},
			Subject: string(id), Version: 1, Result: "ok", Sealed: make([]byte, 100)},
		Request: &license.Request{Keys: key(1), License: id, Version: 1, State: license.Active, Created: time.Now()},
		Lookups: []license.LookupRow{
			{Kind: license.LookupIdentifier, Keys: key(1)}, {Kind: license.LookupVerification, Keys: key(1)},
			{Kind: license.LookupNumber, Keys: key(1), Exclusive: true}, {Kind: license.LookupHolder, Keys: key(1)},
		},
	}
	if list > 0 {
		r.Status = []status.Change{{List: list, Index: index, Value: credential.StatusSuspended}}
	}
	rand.Read(r.Add.Body)
	rand.Read(r.Add.Credential)
	return r
}

func random() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func key(serial int32) []signing.Lookup {
	l := signing.Lookup{Serial: serial}
	rand.Read(l.Sum[:])
	return []signing.Lookup{l}
}

// presence is how much of a license is stored.
type presence int

const (
	absent presence = iota
	whole
	half
)

// present looks for every part of a new license.
func present(t testing.TB, db *DB, r license.SaveRequest) presence {
	t.Helper()
	ctx := context.Background()
	l := db.Licenses()
	found, parts := 0, 0
	count := func(err error, there bool) {
		if err != nil && !errors.Is(err, license.ErrNotFound) && !errors.Is(err, status.ErrNotFound) {
			t.Fatal(err)
		}
		if parts++; err == nil && there {
			found++
		}
	}
	rec, v, err := l.Load(ctx, r.Record.ID, 0)
	count(err, rec.Revision == 1 && string(v.Credential) == string(r.Add.Credential))
	for _, row := range r.Lookups {
		rs, err := l.Search(ctx, license.Query{Kind: row.Kind, Keys: row.Keys, Limit: 2})
		count(err, len(rs) == 1)
	}
	for _, s := range r.Status {
		value, err := l.LoadStatus(ctx, s.List, s.Index)
		count(err, value.Value == s.Value)
	}
	_, err = l.LoadRequest(ctx, r.Request.Keys)
	count(err, true)
	h, err := db.Journal().ListEvents(ctx, journal.Stream{Log: journal.License, License: string(r.Record.ID)}, 0, 10)
	count(err, len(h) == 1)
	switch found {
	case 0:
		return absent
	case parts:
		return whole
	}
	t.Logf("license %s: %d of %d parts are stored", r.Record.ID, found, parts)
	return half
}

// sound checks the database with SQLite's own means.
func sound(t testing.TB, db *DB) {
	t.Helper()
	err := db.engine.Read(context.Background(), func(c *engine.Conn) error {
		for _, check := range []string{"PRAGMA integrity_check", "PRAGMA foreign_key_check"} {
			err := c.Query(check, func(r *engine.Row) {
				if text := r.Text(); text != "ok" {
					t.Errorf("%s: %s", check, text)
				}
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
