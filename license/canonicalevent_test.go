package license

import (
	"encoding/json"
	"testing"
	"time"
)

// TestCanonicalEvent: whichever way an event is written, it is encoding/json's.
func TestCanonicalEvent(t *testing.T) {
	texts := []string{"", "license.issue", "a b~!", `"`, `\`, "<", ">", "&", "证", "\x7f", "\n", "\u2028", "\xff"}
	details := []map[string]string{nil, {}, {"b": "1", "a": "证<"}}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	check := func(c canonicalEvent) {
		t.Helper()
		want, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.marshal(); err != nil || string(got) != string(want) {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
		d := eventDetail{c.Detail, c.Nonce}
		if want, err = json.Marshal(d); err != nil {
			t.Fatal(err)
		}
		if got, err := d.marshal(); c.Nonce != nil && (err != nil || string(got) != string(want)) {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	for i, text := range texts {
		for j := range 7 {
			values := [7]string{"a", "b", "c", "d", "e", "f", "g"}
			values[j] = text
			for k, detail := range details {
				check(canonicalEvent{
					V: 1, ID: values[0], At: at.Add(time.Duration(i*1000+j) * time.Microsecond), Action: Action(values[1]), Client: values[2],
					Participant: values[3], RequestID: values[4], License: ID(values[5]), Version: i - 1, Result: values[6], Detail: detail,
					Nonce: []byte{0xff, byte(i), byte(j), byte(k)},
				})
			}
		}
	}
	check(canonicalEvent{At: at})
}
