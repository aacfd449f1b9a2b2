package grant

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// SharedLicense is one license that a grant covers, without its data.
type SharedLicense struct {
	Material string // id of the service item's material that it serves as
	License  audit.ID
	Version  int // as the holder saw it
	TypeCode credential.TypeCode
	TypeName string
	State    license.State  // of the version that was agreed to
	Reason   refusal.Reason // why it can't be read now; empty: it can
	Fields   []string       // the parts that may be read
	Used     time.Time      // first reading by the newest use code; zero: there was none
	Until    time.Time      // when that use code's reading window closes at the latest; zero: there is no use code
}

// Shared lists what a grant of the client covers, without data.
func (r *Service) Shared(ctx context.Context, a audit.Actor, id ID) (g Grant, ls []SharedLicense, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantShared, "")
	rec, b, codes, err := r.load(ctx, id, only(a.Client))
	if err != nil {
		return Grant{}, nil, err
	}
	if err := r.c.Journal.Record(ctx, a.Did(journal.ActionGrantShared, "", 0, journal.ResultOK, map[string]string{"grant": string(id)})); err != nil {
		return Grant{}, nil, err
	}
	now := time.Now()
	g = b.Grant.Stand(rec, now)
	last := newest(codes)
	ls = []SharedLicense{}
	for _, chosen := range g.Licenses {
		lrec, v, err := r.c.Records.Load(ctx, chosen.License, chosen.Version)
		if err != nil {
			return Grant{}, nil, fmt.Errorf("loading license %s: %w", chosen.License, err)
		}
		t, err := r.c.Types.Version(ctx, lrec.Type, v.TypeVersion)
		if err != nil {
			return Grant{}, nil, err
		}
		s := SharedLicense{
			Material: chosen.Material, License: chosen.License, Version: v.Version, TypeCode: lrec.Type, TypeName: t.Name,
			State: v.State, Fields: chosen.Fields,
		}
		c, coded := last[chosen.License]
		if coded {
			s.Used, s.Until = c.First, c.Window(rec.Expires)
		}
		switch {
		case g.State == Pending:
			s.Reason = refusal.ReasonGrantPending
		case !coded:
			s.Reason = b.LeftOut[chosen.Material]
		default:
			s.Reason = Hindrance(&c, &g, v, false, now)
		}
		ls = append(ls, s)
	}
	return g, ls, nil
}

// Hindrance returns why a license can't be read by a code now, or "" if it can. exhausted says that the code
// allows no further reading.
func Hindrance(c *UseCodeRecord, g *Grant, v license.VersionRecord, exhausted bool, now time.Time) refusal.Reason {
	switch {
	case g.State == Pending:
		return refusal.ReasonGrantPending
	case g.State != Active:
		return endedReason(g)
	case !c.First.IsZero() && !now.Before(c.First.Add(ReadingWindow)):
		return refusal.ReasonWindowOver
	case exhausted:
		return refusal.ReasonExhausted
	}
	return v.Unusable(now)
}
