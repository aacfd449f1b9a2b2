package registry

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Read returns a license of the caller's participant and one of its versions, 0 for the newest. The event of the
// reading is on disk before anything is returned. The same holds for Credential, History and Search.
func (r *Service) Read(ctx context.Context, a audit.Actor, id audit.ID, version int) (l license.License, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseRead, id)
	rec, v, err := r.c.Records.OwnVersion(ctx, a, id, version)
	if err != nil {
		return license.License{}, err
	}
	if err := r.c.Journal.Record(ctx, a.Did(journal.ActionLicenseRead, id, v.Version, journal.ResultOK, nil)); err != nil {
		return license.License{}, err
	}
	return r.c.Records.Open(ctx, rec, v)
}

// Credential returns a version's signed credential, with all disclosures.
func (r *Service) Credential(ctx context.Context, a audit.Actor, id audit.ID, version int) (c string, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseCredential, id)
	_, v, err := r.c.Records.OwnVersion(ctx, a, id, version)
	if err != nil {
		return "", err
	}
	if err := r.c.Journal.Record(ctx, a.Did(journal.ActionLicenseCredential, id, v.Version, journal.ResultOK, nil)); err != nil {
		return "", err
	}
	return r.c.Records.OpenCredential(ctx, v)
}

// History returns up to limit entries with Seq greater than after, oldest first: every change, reading and
// refusal. Of readings by others the authority learns that they happened and when, but not by whom and for which
// case: see Event.shownTo. The holder sees these in access records, an auditor in the log of events.
func (r *Service) History(ctx context.Context, a audit.Actor, id audit.ID, after int64, limit int) (es []Event, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseHistory, id)
	if _, _, err := r.c.Records.OwnVersion(ctx, a, id, 0); err != nil {
		return nil, err
	}
	if err := r.c.Journal.Record(ctx, a.Did(journal.ActionLicenseHistory, id, 0, journal.ResultOK, nil)); err != nil {
		return nil, err
	}
	records, err := r.c.Events.ListEvents(ctx, journal.Stream{Log: journal.License, License: string(id)}, after, limit)
	if err != nil {
		return nil, fmt.Errorf("reading history of license %s: %w", id, err)
	}
	for _, rec := range records {
		e, err := openEvent(ctx, r.c.Vault, rec)
		if err != nil {
			return nil, err
		}
		es = append(es, e.shownTo(a))
	}
	return es, nil
}

// defaultLimit is how many licenses a search returns at most if the caller sets no limit.
const defaultLimit = 20

// Search finds licenses of the caller's participant.
func (r *Service) Search(ctx context.Context, a audit.Actor, q SearchRequest) (found SearchResult, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseSearch, "")
	query, by, err := q.query(ctx, a, r.c.Records)
	if err != nil {
		return SearchResult{}, err
	}
	records, err := r.c.Store.Search(ctx, query)
	if err != nil {
		return SearchResult{}, fmt.Errorf("searching licenses: %w", err)
	}
	detail := map[string]string{"by": string(query.Kind), "type": string(q.TypeCode), "found": strconv.Itoa(len(records))}
	if err := r.c.Journal.Record(ctx, a.Did(journal.ActionLicenseSearch, "", 0, journal.ResultOK, detail)); err != nil {
		return SearchResult{}, err
	}
	found.Licenses = []license.Summary{}
	for _, rec := range records {
		has, err := r.has(ctx, rec, by)
		if err != nil {
			return SearchResult{}, err
		}
		if !has {
			continue
		}
		t, err := r.c.Types.Version(ctx, rec.Type, 0)
		if err != nil {
			return SearchResult{}, err
		}
		found.Licenses = append(found.Licenses, license.Summary{
			ID: rec.ID, TypeCode: rec.Type, TypeName: t.Name, Version: rec.Version,
			State: rec.State, CreatedAt: rec.Created, UpdatedAt: rec.Updated,
		})
	}
	if n := len(records); n == query.Limit {
		found.NextCursor = license.Cursor{Created: records[n-1].Created, ID: records[n-1].ID}.String()
	}
	return found, nil
}

// has reports whether one of the versions of a license has what the license was found by. The lookup row that led
// to the license is not trusted.
func (r *Service) has(ctx context.Context, rec license.Record, by sought) (bool, error) {
	if by.kind == "" {
		return true, nil
	}
	var unread error
	for n := rec.Version; n > 0; n-- {
		_, v, err := r.c.Store.Load(ctx, rec.ID, n)
		var b license.Body
		if err == nil {
			b, err = r.c.Records.OpenBody(ctx, v)
		}
		if license.Unreadable(err) {
			unread = err
			continue
		}
		if err != nil {
			return false, fmt.Errorf("reading version %d of license %s: %w", n, rec.ID, err)
		}
		if by.isOf(&b) {
			return true, nil
		}
	}
	if unread != nil {
		r.c.Log.ErrorContext(ctx, "a license can't be read, and is left out of a search", "license", rec.ID, "error", unread)
		return false, nil
	}
	_ = r.c.Vault.Auth().Refuse("licenses", string(rec.ID), "another license's identifier, number or holder leads to it") // logged, and counted
	return false, nil
}

// sought is what a search looks for, in the form in which it is compared.
type sought struct {
	kind   license.LookupKind // "": by none of these
	text   string             // an identifier, or the key of a number
	holder party.Code
}

// isOf reports whether a version has what is sought.
func (by *sought) isOf(b *license.Body) bool {
	switch by.kind {
	case license.LookupIdentifier:
		return string(b.Identifier) == by.text
	case license.LookupNumber:
		return license.NumberKey(b.Number) == by.text
	case license.LookupHolder:
		return license.HeldBy(b.Holders, "", []party.Code{by.holder})
	}
	return false
}

// query returns the store's query for the caller's licenses, and what the search looks for.
func (q *SearchRequest) query(ctx context.Context, a audit.Actor, in *license.Records) (license.Query, sought, error) {
	out := license.Query{
		Authority: party.USCC(a.USCC), Type: q.TypeCode, State: q.State,
		From: q.CreatedFrom, To: q.CreatedTo, Limit: q.Limit,
	}
	var vs refusal.Violations
	if out.Limit == 0 {
		out.Limit = defaultLimit
	}
	vs.When(out.Limit < 1 || out.Limit > license.MaxLimit, "/limit", "range", "must be 1 to 100")
	switch q.State {
	case "", license.Active, license.Suspended, license.Superseded, license.Ended:
	default:
		vs.Add("/state", "enum", "must be active, suspended, superseded or ended")
	}
	vs.When(q.TypeCode != "" && !q.TypeCode.Valid(), "/type_code", "type_code", "is not a type code: 18 characters of a unified social credit code and three digits")
	cursor, ok := license.ParseCursor(q.Cursor)
	vs.When(!ok, "/cursor", "cursor", "is not a next_cursor of an earlier page")
	out.Before = cursor
	criteria := 0
	for _, given := range []bool{q.Identifier != "", q.Number != "", q.Holder != nil} {
		if given {
			criteria++
		}
	}
	vs.When(criteria > 1, "", "criteria", "may have only one of identifier, number and holder")
	vs.When(q.Number != "" && q.TypeCode == "", "/type_code", "required", "must be given with a number")
	var by sought
	if q.Holder != nil {
		var err error
		if by.holder, err = party.ParseCode(q.Holder.Type, q.Holder.Value); err != nil {
			vs.Add("/holder", "code", "is not a valid code of its type")
		}
	}
	if err := vs.Err("search_invalid", "The search is not acceptable; see violations."); err != nil {
		return license.Query{}, sought{}, err
	}
	var err error
	switch {
	case q.Identifier != "":
		by.kind, by.text = license.LookupIdentifier, strings.ToUpper(strings.TrimSpace(q.Identifier))
		out.Keys, err = in.IdentifierKeys(ctx, by.text)
	case q.Number != "":
		by.kind, by.text = license.LookupNumber, license.NumberKey(q.Number)
		out.Keys, err = in.NumberKeys(ctx, q.TypeCode, out.Authority, q.Number)
	case q.Holder != nil:
		by.kind = license.LookupHolder
		out.Keys, err = in.HolderKeys(ctx, []party.Code{by.holder})
	}
	out.Kind = by.kind
	return out, by, err
}
