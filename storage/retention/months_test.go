package retention

import (
	"testing"
	"time"
)

func TestMonth(t *testing.T) {
	m := MonthOf(time.Date(2026, 12, 31, 23, 59, 59, 0, time.FixedZone("UTC-1", -3600)))
	if m.String() != "2027-01" || !m.Begin().Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) || (m-1).String() != "2026-12" || !(m - 1).End().Equal(m.Begin()) {
		t.Errorf("a month in UTC is %s from %v, before it %s until %v", m, m.Begin(), m-1, (m - 1).End())
	}
	if p, err := ParseMonth("2027-01"); err != nil || p != m {
		t.Errorf("parsed %v, %v", p, err)
	}
	for _, text := range []string{"", "2027-13", "2027-1", "2027-01-01", "../events"} {
		if _, err := ParseMonth(text); err == nil {
			t.Errorf("%q is a month", text)
		}
	}
}

func TestTerms(t *testing.T) {
	for terms, ok := range map[Terms]bool{
		{EventMonths: DefaultEventMonths, RecordMonths: DefaultRecordMonths}: true,
		{EventMonths: 6, RecordMonths: 6}:                                    true,
		{}:                                                                   true,
		{EventMonths: 5, RecordMonths: 36}:                                   false,
		{EventMonths: 12, RecordMonths: 5}:                                   false,
		{EventMonths: -1}:                                                    false,
		{RecordMonths: -12}:                                                  false,
	} {
		if err := terms.Check(); (err == nil) != ok {
			t.Errorf("%+v: %v", terms, err)
		}
	}
	terms := Terms{EventMonths: 12, RecordMonths: 36}
	for _, c := range []struct {
		now   string
		table Table
		last  string
	}{
		{"2026-10-31T23:59:59.999999Z", Events, "2025-09"},
		{"2026-11-01T00:00:00Z", Events, "2025-10"}, // which ended twelve months ago
		{"2026-11-01T00:00:00Z", ProviderEvents, "2025-10"},
		{"2026-11-01T00:00:00Z", AccessRecords, "2023-10"},
	} {
		now, err := time.Parse(time.RFC3339Nano, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if last, ok := terms.Last(c.table, now); !ok || last.String() != c.last {
			t.Errorf("at %s the last month of %s is %s, want %s", c.now, c.table, last, c.last)
		}
	}
	if _, ok := (Terms{}).Last(Events, time.Now()); ok {
		t.Error("without terms a month goes")
	}
}
