package grants

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/signing"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// spendMost uses a code for all but some of the readings that it is good for.
func spendMost(t *testing.T, s suite.Licensing, u Use, party []signing.Lookup, but int) (first time.Time) {
	t.Helper()
	for i := range access.MaxReadings - but {
		r := u.Reading(fmt.Sprint("spent ", i))
		r.First, r.Record.Party = first, party
		suite.Must(t, "SaveUse", s.SaveUse(t.Context(), r))
		first = r.Record.At
	}
	return first
}

// usesBounds tests how many readings, and how many refused ones, a code has.
func usesBounds(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	u, party := Usable(t, s), []signing.Lookup{suite.NewKey()}
	refused := func() error {
		r := u.Reading("refused")
		r.Record.Result, r.Record.Party = "grant_ended", party
		used := LoadUse(t, s, u, "")
		r.First = used.Code.First
		return s.SaveUse(ctx, r)
	}
	suite.Must(t, "a refused reading", refused())
	first := spendMost(t, s, u, party, 0) // the refused one doesn't count
	more := u.Reading("more")
	more.First = first
	suite.Is(t, "one more reading", s.SaveUse(ctx, more), license.ErrExhausted)
	SameRecords(t, s, "its records", more.Record.Party)
	if LoadUse(t, s, u, "more").Earlier != nil {
		t.Error("one more reading has its request id")
	}
	again := u.Reading("spent 7")
	again.First = first
	suite.Is(t, "a request id that is there", s.SaveUse(ctx, again), license.ErrConflict)
	for range access.MaxRefusedReadings - 1 {
		suite.Must(t, "a refused reading", refused())
	}
	suite.Is(t, "one more refused reading", refused(), license.ErrExhausted)
	records, err := s.AccessRecords(ctx, party, 0, 1000)
	suite.Must(t, "AccessRecords", err)
	suite.Same(t, "records", len(records), access.MaxReadings+access.MaxRefusedReadings)
	h, err := s.ListEvents(ctx, ledger.HistoryOf(u.license.Record.ID), 0, 1000)
	suite.Must(t, "History", err)
	suite.Same(t, "events", len(h), 1+access.MaxReadings+access.MaxRefusedReadings)

	// Another code's readings are its own; what is refused hinders none that is allowed.
	u = Usable(t, s)
	for range access.MaxRefusedReadings {
		r := u.Reading("refused")
		r.Record.Result = access.ResultMismatch
		suite.Must(t, "another's reading", s.SaveUse(ctx, r))
	}
	suite.Must(t, "another code", s.SaveUse(ctx, u.Reading("spent 0")))
}

// usesRaceForTheLast lets 64 read at once by a code that is good for three more
// readings, or that has three more refused ones recorded.
func usesRaceForTheLast(t *testing.T, s suite.Licensing) {
	const left = 3
	for _, result := range []string{access.ResultOK, "grant_ended"} {
		u, party := Usable(t, s), []signing.Lookup{suite.NewKey()}
		var first time.Time
		if result == access.ResultOK {
			first = spendMost(t, s, u, nil, left)
		} else {
			for range access.MaxRefusedReadings - left {
				r := u.Reading("")
				r.Record.Result = result
				suite.Must(t, "SaveUse", s.SaveUse(t.Context(), r))
			}
		}
		errs := suite.Race(64, func(i int) error {
			r := u.Reading(fmt.Sprint(i))
			r.First, r.Record.Party, r.Record.Result = first, party, result
			return s.SaveUse(t.Context(), r)
		})
		stored := 0
		for _, err := range errs {
			if err == nil {
				stored++
			} else {
				suite.Is(t, "one too many", err, license.ErrExhausted)
			}
		}
		suite.Same(t, "stored readings, "+result, stored, left)
		records, err := s.AccessRecords(t.Context(), party, 0, 100)
		suite.Must(t, "AccessRecords", err)
		suite.Same(t, "records, "+result, len(records), left)
	}
}

// accessRecordsOfLicense reads the records of one license between those of another.
func accessRecordsOfLicense(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	u, other := Usable(t, s), Usable(t, s)
	var want []access.Record
	var first, otherFirst time.Time
	for i := range 7 {
		r := u.Reading(fmt.Sprint(i))
		r.First, r.Record.At = first, suite.At(100-i) // the order is that of saving
		if i == 3 {
			r.Record.Result = "grant_ended"
		}
		suite.Must(t, "SaveUse", s.SaveUse(ctx, r))
		if i == 0 {
			first = r.Record.At
		}
		r.Record.Party = nil
		want = append(want, r.Record)
		o := other.Reading(fmt.Sprint(i))
		o.First = otherFirst
		suite.Must(t, "SaveUse", s.SaveUse(ctx, o))
		otherFirst = o.Record.At
	}
	slices.Reverse(want)
	for _, size := range []int{1, 2, 7, 100} {
		got := suite.Paged(t, size, func(last *access.Record) ([]access.Record, error) {
			var before int64
			if last != nil {
				before = last.Seq
			}
			return s.LicenseAccessRecords(ctx, u.license.Record.ID, before, size)
		})
		for i := range got {
			got[i].Seq = 0
		}
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.LicenseAccessRecords(ctx, audit.ID(suite.NewText()), 0, 10)
	suite.Must(t, "LicenseAccessRecords", err)
	suite.Same(t, "records of an unknown license", len(none), 0)
}
