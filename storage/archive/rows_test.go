package archive

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"yizheng.internal/storage/retention"
)

var line = `{"seq":7,"at":"2026-03-01T00:00:00.000001Z","id":"a","action":"license.search","client":"c\u2028","participant":"p","request_id":"","version":0,"result":"ok","detail":"c2VhbGVk","hash":null}` + "\n"

// TestRow reads what encode wrote, and nothing that isn't exactly a row of its log.
func TestRow(t *testing.T) {
	want := retention.Row{int64(7), time.Date(2026, 3, 1, 0, 0, 0, 1000, time.UTC), "a", "license.search", "c\u2028", "p", "", int64(0), "ok", []byte("sealed"), []byte(nil), int64(1)}
	got, err := Row(retention.Events, []byte(line))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, %v", got, err)
	}
	if written, err := encode(retention.Events, got); err != nil || string(written) != line {
		t.Errorf("written again it is %s, %v", written, err)
	}
	present := strings.Replace(line, `"hash":null`, `"hash":null,"form":2`, 1)
	want[len(want)-1] = int64(2)
	if got, err = Row(retention.Events, []byte(present)); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("of the present form: %v, %v", got, err)
	}
	if written, err := encode(retention.Events, got); err != nil || string(written) != present {
		t.Errorf("written again it is %s, %v", written, err)
	}
	for what, change := range map[string][2]string{
		"another log's":     {`"client"`, `"actor"`},
		"a column less":     {`"participant":"p",`, ``},
		"a column more":     {`"hash":null`, `"hash":null,"more":1`},
		"what isn't said":   {`"hash":null`, `"hash":null,"form":1`},
		"a column twice":    {`"id":"a",`, `"id":"a","id":"a",`},
		"no number":         {`"seq":7`, `"seq":7.5`},
		"too large":         {`"seq":7`, `"seq":9223372036854775808`},
		"no text":           {`"id":"a"`, `"id":{"a":1}`},
		"no time":           {`2026-03-01T00`, `2026-03-01T99`},
		"no base64":         {`c2VhbGVk`, `c2VhbGV`},
		"no place":          {`"seq":7`, `"seq":0`},
		"another behind it": {"}\n", "}{}\n"},
		"half":              {`"result":"ok","detail":"c2VhbGVk","hash":null}`, `"result":`},
		"an array":          {`{"seq":7`, `["seq",7`},
		"null for text":     {`"id":"a"`, `"id":null`},
	} {
		text := strings.Replace(line, change[0], change[1], 1)
		if text == line {
			t.Fatalf("%s: nothing was changed", what)
		}
		if row, err := Row(retention.Events, []byte(text)); err == nil {
			t.Errorf("%s is taken for a row: %v", what, row)
		}
	}
}

// FuzzRow reads lines of any kind. What is a row is the same row when it was written
// and read again.
func FuzzRow(f *testing.F) {
	f.Add(uint8(0), []byte(line))
	f.Add(uint8(1), []byte(`{"seq":1,"at":"2026-03-01T00:00:00Z","id":"a","action":"a","actor":"a","object":"o","request_id":"r","result":"ok","hash":""}`))
	f.Add(uint8(2), []byte(`{"seq":1,"at":"2026-03-01T08:00:00+08:00"}`))
	f.Fuzz(func(t *testing.T, log uint8, text []byte) {
		table := retention.Tables[int(log)%len(retention.Tables)]
		row, err := Row(table, text)
		if err != nil {
			return
		}
		if len(row) != len(table.Columns()) {
			t.Fatalf("%d values: %q", len(row), text)
		}
		written, err := encode(table, row)
		if err != nil {
			t.Fatalf("%q is read and can't be written: %v", text, err)
		}
		if again, err := Row(table, written); err != nil || !reflect.DeepEqual(again, row) {
			t.Errorf("%q is %v, and again %v, %v", text, row, again, err)
		}
	})
}
