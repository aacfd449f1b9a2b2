package party

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

func TestParseDate(t *testing.T) {
	for _, s := range []string{"2024-02-29", "0001-01-01", "9999-12-31", "1986-05-04", "2000-02-29"} {
		d, err := ParseDate(s)
		if err != nil || d.String() != s {
			t.Errorf("%s: %v, %v", s, d, err)
		}
	}
	for _, s := range []string{
		"", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "2024-04-31", "0000-01-01",
		"2024-1-1", "20240101", "2024/01/01", "2024-01-01 ", " 2024-01-01", "2024-01-01T00:00:00Z", "+024-01-01", "２024-1-01", "长期",
	} {
		if d, err := ParseDate(s); err != ErrDate || !d.IsZero() {
			t.Errorf("%q: %v, %v", s, d, err)
		}
	}
}

func TestDateStartEnd(t *testing.T) {
	d, err := NewDate(2025, time.December, 31)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Start().UTC(); !got.Equal(time.Date(2025, 12, 30, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("starts at %v", got)
	}
	if got := d.End().UTC(); !got.Equal(time.Date(2025, 12, 31, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("ends at %v", got)
	}
	if DateOf(d.Start()) != d || DateOf(d.End().Add(-1)) != d || DateOf(d.End()) != d.AddDays(1) || DateOf(d.Start().Add(-1)) != d.AddDays(-1) {
		t.Error("the day's instants are not in the day")
	}
	// In the summer of 1986 clocks in China stood an hour ahead: that must not show.
	if s, _ := NewDate(1986, time.July, 1); s.End().Sub(s.Start()) != 24*time.Hour || s.Start().UTC().Hour() != 16 {
		t.Errorf("%v starts at %v", s, s.Start())
	}
	var none Date
	if !none.Start().IsZero() || !none.End().IsZero() || !DateOf(time.Time{}).IsZero() || none.String() != "" {
		t.Error("no date has instants")
	}
	if got := DateOf(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)); !got.IsZero() {
		t.Errorf("year 10000 is %v", got)
	}
}

func TestDateOrder(t *testing.T) {
	var dates []Date
	for _, s := range []string{"2024-02-29", "2023-12-31", "2024-03-01", "2024-02-01"} {
		d, err := ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		dates = append(dates, d)
	}
	dates = append(dates, Date{})
	slices.SortFunc(dates, Date.Compare)
	for i := 1; i < len(dates); i++ {
		if !dates[i-1].Before(dates[i]) || !dates[i].After(dates[i-1]) || dates[i].Before(dates[i]) {
			t.Errorf("%v, %v are not in order", dates[i-1], dates[i])
		}
	}
	if !dates[0].IsZero() || dates[4].String() != "2024-03-01" {
		t.Errorf("got %v", dates)
	}
}

func TestDateAdd(t *testing.T) {
	for _, tt := range []struct {
		date   string
		months int
		want   string
	}{
		{"2024-01-31", 1, "2024-02-29"}, {"2023-01-31", 1, "2023-02-28"}, {"2024-02-29", 12, "2025-02-28"},
		{"2024-12-15", 1, "2025-01-15"}, {"2024-01-15", -1, "2023-12-15"}, {"2024-05-31", 0, "2024-05-31"},
		{"9999-12-01", 1, ""}, {"0001-01-01", -1, ""}, {"2024-01-01", 1 << 62, ""}, {"2024-01-01", -1 << 62, ""},
	} {
		d, _ := ParseDate(tt.date)
		if got := d.AddMonths(tt.months); got.String() != tt.want {
			t.Errorf("%s + %d months: %v, want %s", tt.date, tt.months, got, tt.want)
		}
	}
	d, _ := ParseDate("2024-02-28")
	if got := d.AddDays(2).String(); got != "2024-03-01" {
		t.Errorf("two days later: %s", got)
	}
	if !d.AddDays(1<<62).IsZero() || !d.AddDays(-1<<62).IsZero() || !(Date{}).AddDays(1).IsZero() || !(Date{}).AddMonths(1).IsZero() {
		t.Error("a date beyond the calendar")
	}
}

func TestDateJSON(t *testing.T) {
	type record struct {
		From  Date `json:"from"`
		Until Date `json:"until,omitzero"`
	}
	d, _ := ParseDate("2024-02-29")
	b, err := json.Marshal(record{From: d})
	if err != nil || string(b) != `{"from":"2024-02-29"}` {
		t.Fatalf("%s, %v", b, err)
	}
	var r record
	if err := json.Unmarshal([]byte(`{"from":"2024-02-29"}`), &r); err != nil || r != (record{From: d}) {
		t.Errorf("%v, %v", r, err)
	}
	for _, s := range []string{`{"until":""}`, `{"until":null}`, `{"from":"2024-02-30"}`, `{"from":20240229}`, `{"from":" 2024-02-29"}`, `{"from":"长期"}`} {
		if err := json.Unmarshal([]byte(s), &record{}); err == nil {
			t.Errorf("%s is accepted", s)
		}
	}
}

func FuzzDate(f *testing.F) {
	f.Add("2024-02-29")
	f.Add("2023-02-29")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDate(s)
		std, stdErr := time.Parse(time.DateOnly, s)
		if year0 := stdErr == nil && std.Year() == 0; (err == nil) != (stdErr == nil && !year0) {
			t.Fatalf("%q: %v, and by package time %v", s, err, stdErr)
		}
		if err == nil && d.String() != s {
			t.Fatalf("%q became %s", s, d)
		}
	})
}
