package grants

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
	"yizheng.internal/storage/sqlite/licenses"
)

// Readings implements [access.Stores].
type Readings struct{ DB *engine.DB }

const LoadUse = `
	SELECT ` + codeColumns + `, ` + grantColumns + `, ` + licenses.RecordColumns + `, ` + licenses.VersionColumns + `,
		c.first IS NULL AND EXISTS (SELECT 1 FROM use_requests q WHERE q.grant_id = c.grant_id AND q.hash = c.hash)
	FROM use_codes c
		CROSS JOIN grants g ON g.id = c.grant_id
		CROSS JOIN licenses l ON l.id = c.license
		CROSS JOIN license_versions v ON v.license = c.license AND v.version = c.version
	WHERE c.grant_id = ? AND c.hash = ?`

const EarlierUse = `
	SELECT ` + accessColumns + ` FROM use_requests q JOIN access_records a ON a.seq = q.seq
	WHERE q.grant_id = ? AND q.hash = ? AND q.request = ?`

const accessColumns = `a.seq, a.id, a.at, a.grant_id, a.license, a.version, a.client, a.participant, a.item, a.basis,
	a.channel, a.result, a.disclosure, a.body`

func scanAccess(r *engine.Row) access.Record {
	return access.Record{
		Seq: r.Int64(), ID: r.Text(), At: r.Time(), Grant: grant.ID(r.Text()), License: audit.ID(r.Text()),
		Version: r.Int(), Client: r.Text(), Participant: r.Text(), Item: catalog.ItemCode(r.Text()),
		Basis: grant.Basis(r.Text()), Channel: grant.Channel(r.Text()), Result: r.Text(),
		Disclosure: access.Disclosure(r.Text()), Body: r.Bytes(),
	}
}

// LoadUse implements [access.Store].
func (s *Readings) LoadUse(ctx context.Context, grant grant.ID, code [32]byte, request string) (access.Used, error) {
	var u access.Used
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		return c.Read(func() error {
			found := false
			err := c.Query(LoadUse, func(r *engine.Row) {
				u = access.Used{Code: scanCode(r), Grant: scanGrant(r), License: licenses.ScanRecord(r), Version: licenses.ScanVersion(r), PutBack: r.Bool()}
				found = true
			}, string(grant), code[:])
			if err != nil || !found {
				return cmp.Or(err, license.ErrNotFound)
			}
			return c.Query(EarlierUse, func(r *engine.Row) { u.Earlier = new(scanAccess(r)) }, string(grant), code[:], request)
		})
	})
	if err != nil {
		return access.Used{}, fmt.Errorf("loading a use code of grant %s: %w", grant, err)
	}
	return u, nil
}

// SaveUse implements [access.Store]. The writer is alone, so that what is
// checked first still holds when it is relied on.
func (s *Readings) SaveUse(ctx context.Context, u access.Reading) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		if err := checkUse(c, u); err != nil {
			return err
		}
		seq, err := appendAccess(c, u.Record)
		if err != nil {
			return err
		}
		use := refuse
		if u.Record.Result == access.ResultOK {
			use = spend
		}
		if err := use(c, u, seq); err != nil {
			return err
		}
		return ledger.AppendEvents(c, u.Event)
	})
	if err != nil {
		return fmt.Errorf("saving a reading by grant %s: %w", u.Record.Grant, err)
	}
	return nil
}

// checkUse returns an error unless all that a reading's decision rests on is so still.
func checkUse(c *engine.Conn, u access.Reading) error {
	var first time.Time
	var grant, lic int64
	found := false
	err := c.Query(`
		SELECT c.first, g.revision, l.revision
		FROM use_codes c JOIN grants g ON g.id = c.grant_id JOIN licenses l ON l.id = c.license
		WHERE c.grant_id = ? AND c.hash = ?`, func(r *engine.Row) {
		first, grant, lic, found = r.Time(), r.Int64(), r.Int64(), true
	}, string(u.Record.Grant), u.Code[:])
	switch {
	case err != nil:
		return err
	case !found:
		return license.ErrNotFound
	case !first.Equal(u.First) || grant != u.GrantRevision || lic != u.LicenseRevision:
		return license.ErrConflict
	}
	return nil
}

func appendAccess(c *engine.Conn, a access.Record) (seq int64, err error) {
	_, err = c.Exec(`
		INSERT INTO access_records (id, at, grant_id, license, version, client, participant, item, basis, channel,
			result, disclosure, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, a.At, string(a.Grant), string(a.License), a.Version, a.Client, a.Participant, string(a.Item),
		string(a.Basis), string(a.Channel), a.Result, string(a.Disclosure), a.Body)
	if err != nil {
		return 0, err
	}
	seq = c.LastRow()
	return seq, saveAccessKeys(c, seq, a.Party)
}

// spend gives the request id to the reading, counts it, and opens the code's window.
func spend(c *engine.Conn, u access.Reading, seq int64) error {
	_, err := c.Exec("INSERT INTO use_requests (grant_id, hash, request, seq) VALUES (?, ?, ?, ?)",
		string(u.Record.Grant), u.Code[:], u.Request, seq)
	if err != nil {
		return engine.Taken(err, license.ErrConflict)
	}
	n, err := c.Exec(`
		UPDATE use_codes SET readings = readings + 1, first = coalesce(first, ?), auth = CASE WHEN first IS NULL THEN ? ELSE auth END
		WHERE grant_id = ? AND hash = ? AND readings < ?`,
		u.Record.At, u.CodeAuth, string(u.Record.Grant), u.Code[:], access.MaxReadings)
	return exhausted(n, err)
}

// refuse counts a refused reading.
func refuse(c *engine.Conn, u access.Reading, _ int64) error {
	n, err := c.Exec("UPDATE use_codes SET refused = refused + 1 WHERE grant_id = ? AND hash = ? AND refused < ?",
		string(u.Record.Grant), u.Code[:], access.MaxRefusedReadings)
	return exhausted(n, err)
}

// exhausted is the error of a reading that isn't counted, for its code has so many.
func exhausted(counted int64, err error) error {
	if err == nil && counted == 0 {
		return license.ErrExhausted
	}
	return err
}

const AccessOf = `
	SELECT ` + accessColumns + ` FROM access_parties k CROSS JOIN access_records a ON a.seq = k.seq
	WHERE k.serial = ? AND k.sum = ? AND k.seq < ? ORDER BY k.seq DESC LIMIT ?`

// AccessRecords implements [access.Store], with a query for each key.
func (s *Readings) AccessRecords(ctx context.Context, party []signing.Lookup, before int64, limit int) ([]access.Record, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	var all []access.Record
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		for _, key := range party {
			err := c.Query(AccessOf, func(r *engine.Row) { all = append(all, scanAccess(r)) },
				key.Serial, key.Sum[:], before, max(limit, 0))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing access records: %w", err)
	}
	slices.SortFunc(all, func(a, b access.Record) int { return cmp.Compare(b.Seq, a.Seq) })
	all = slices.CompactFunc(all, func(a, b access.Record) bool { return a.Seq == b.Seq })
	return all[:min(len(all), max(limit, 0))], nil
}

const AccessOfLicense = `
	SELECT ` + accessColumns + ` FROM access_records a WHERE a.license = ? AND a.seq < ? ORDER BY a.seq DESC LIMIT ?`

// LicenseAccessRecords implements [access.Store].
func (s *Readings) LicenseAccessRecords(ctx context.Context, id audit.ID, before int64, limit int) ([]access.Record, error) {
	all, err := engine.Many(ctx, s.DB, AccessOfLicense, scanAccess, string(id), cmp.Or(before, int64(math.MaxInt64)), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing access records of license %s: %w", id, err)
	}
	return all, nil
}
