package journal_test

import (
	"encoding/hex"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/journal"
)

// forms are events with their canonical forms: a log over events holds the hashes of
// these, so they are frozen. Those of the first form were made by the program of commit
// 383c042, before there was another.
var forms = []struct {
	name    string
	e       journal.Event
	private journal.Private
	want    string
	hash    string // of what was written before
}{{
	"present, of a license", journal.Event{
		Log: journal.License, Seq: 7, Form: journal.Present, ID: "id", At: time.Date(2026, 5, 1, 8, 0, 0, 1e6, time.FixedZone("", 8*3600)),
		Action: "license.redeem", Actor: journal.Actor{ID: "client", Participant: "participant"}, Subject: "license", Version: 3, RequestID: "r\"\xff<\u2028", Result: "ok",
	},
	journal.Private{Detail: map[string]string{"party": "p", "case": "办件\n1", "\U0001F600": "astral", "\uFB01": "bmp"}, Nonce: []byte("0123456789abcdef")},
	`{"action":"license.redeem","actor":"client","at":"2026-05-01T00:00:00.001000Z","detail":{"case":"办件\n1","party":"p","` + "\U0001F600" + `":"astral","` + "\uFB01" + `":"bmp"},` +
		`"hash":"sm3","id":"id","log":"license","nonce":"MDEyMzQ1Njc4OWFiY2RlZg==","participant":"participant","request_id":"r\"` + "\uFFFD<\u2028" + `","result":"ok","subject":"license","v":2,"version":3}`, "",
}, {
	"present, of the provider", journal.Event{
		Log: journal.Provider, Form: journal.Present, ID: "id", At: time.Date(2026, 5, 1, 8, 0, 0, 1000, time.UTC), Action: "client.create", Actor: journal.Actor{ID: "cli:王样例"},
		Subject: "x", Result: "begun",
	}, journal.Private{},
	`{"action":"client.create","actor":"cli:王样例","at":"2026-05-01T08:00:00.000001Z","detail":{},"hash":"sm3","id":"id","log":"provider","nonce":"","participant":"",` +
		`"request_id":"","result":"begun","subject":"x","v":2,"version":0}`, "",
}, {
	"first, of a license", journal.Event{
		Log: journal.License, Form: journal.FormFirst, ID: "aaaaaaaaaaaaaaaaaaaaaaaaaa", At: time.Date(2026, 5, 1, 8, 0, 0, 1000, time.UTC), Action: "license.issue",
		Actor: journal.Actor{ID: "client", Participant: "participant"}, Subject: "abcdefghijklmnopqrstuvwxyz", Version: 2, RequestID: "r1", Result: "ok",
	}, journal.Private{Nonce: []byte("0123456789abcdef")},
	`{"v":1,"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","at":"2026-05-01T08:00:00.000001Z","action":"license.issue","client":"client","participant":"participant","request_id":"r1",` +
		`"license":"abcdefghijklmnopqrstuvwxyz","version":2,"result":"ok","detail":null,"nonce":"MDEyMzQ1Njc4OWFiY2RlZg=="}`,
	"544ab6f2d19a20ebaf575bc11bfa03621c66e9512cd812ae9fd6ddce8770201f",
}, {
	"first, of no license", journal.Event{
		Log: journal.Registry, Form: journal.FormFirst, ID: "bbbbbbbbbbbbbbbbbbbbbbbbbb", At: time.Date(2026, 5, 1, 8, 0, 0, 999001000, time.UTC), Action: "license.search",
		Actor: journal.Actor{ID: "cli:王样例"}, RequestID: "r<2>", Result: "ok",
	}, journal.Private{Detail: map[string]string{"party": "p", "found": "3", "by": "a&\"\u2028"}, Nonce: []byte("0123456789abcdef")},
	`{"v":1,"id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","at":"2026-05-01T08:00:00.999001Z","action":"license.search","client":"cli:王样例","participant":"","request_id":"r\u003c2\u003e",` +
		`"license":"","version":0,"result":"ok","detail":{"by":"a\u0026\"\u2028","found":"3","party":"p"},"nonce":"MDEyMzQ1Njc4OWFiY2RlZg=="}`,
	"84d2996eb31be4c5f0e26df54a70fd823c5ff7a5977c4a428edf433303fcdad7",
}, {
	"first, of the provider", journal.Event{
		Log: journal.Provider, Form: journal.FormFirst, ID: "cccccccccccccccccccccccccc", At: time.Date(2026, 5, 1, 8, 0, 0, 1e6, time.UTC), Action: "client.create",
		Actor: journal.Actor{ID: "cli:王样例"}, Subject: "x", RequestID: "r\"<", Result: "ok",
	}, journal.Private{},
	`{"action":"client.create","actor":"cli:王样例","at":"2026-05-01T08:00:00.001Z","hash":"sm3","id":"cccccccccccccccccccccccccc","object":"x","request_id":"r\"<","result":"ok"}`,
	"919a257e90ed4fb794c8fafdc5168999e1345d64a4cef18f10feb47ed6302455",
}}

// The canonical forms are what auditors hash: they are frozen.
func TestCanonical(t *testing.T) {
	for _, tt := range forms {
		got, err := tt.e.Canonical(tt.private)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", tt.name, err, got, tt.want)
		}
		sum := sm3.Sum(got)
		if tt.hash != "" && hex.EncodeToString(sum[:]) != tt.hash {
			t.Errorf("%s: the hash is %x, and was %s", tt.name, sum, tt.hash)
		}
		if tt.e.Hash = sum; !tt.e.Fits(tt.private) || tt.e.Entry(tt.private, false).Hash != hex.EncodeToString(sum[:]) {
			t.Errorf("%s doesn't fit its hash", tt.name)
		}
	}
}

// An event that was altered in any way doesn't fit its hash.
func TestFits(t *testing.T) {
	for _, tt := range forms {
		text, err := tt.e.Canonical(tt.private)
		if err != nil {
			t.Fatal(err)
		}
		first := tt.e.Form == journal.FormFirst
		for what, alter := range map[string]func(e *journal.Event, p *journal.Private){
			"hash":        func(e *journal.Event, _ *journal.Private) { e.Hash[31]++ },
			"id":          func(e *journal.Event, _ *journal.Private) { e.ID += "x" },
			"time":        func(e *journal.Event, _ *journal.Private) { e.At = e.At.Add(time.Millisecond) },
			"action":      func(e *journal.Event, _ *journal.Private) { e.Action += "d" },
			"actor":       func(e *journal.Event, _ *journal.Private) { e.Actor.ID += "x" },
			"participant": func(e *journal.Event, _ *journal.Private) { e.Actor.Participant += "x" },
			"subject":     func(e *journal.Event, _ *journal.Private) { e.Subject += "x" },
			"version":     func(e *journal.Event, _ *journal.Private) { e.Version++ },
			"request":     func(e *journal.Event, _ *journal.Private) { e.RequestID += "x" },
			"result":      func(e *journal.Event, _ *journal.Private) { e.Result = "refused" },
			"form":        func(e *journal.Event, _ *journal.Private) { e.Form = 3 - e.Form },
			"no form":     func(e *journal.Event, _ *journal.Private) { e.Form = 0 },
			"later form":  func(e *journal.Event, _ *journal.Private) { e.Form = 3 },
			"nonce":       func(_ *journal.Event, p *journal.Private) { p.Nonce = []byte("another") },
			"detail":      func(_ *journal.Event, p *journal.Private) { p.Detail = map[string]string{"a": "b"} },
			"log": func(e *journal.Event, _ *journal.Private) {
				e.Log = map[journal.Log]journal.Log{journal.Provider: journal.Registry}[e.Log]
			},
		} {
			if first && tt.e.Log == journal.Provider && (what == "participant" || what == "version" || what == "nonce" || what == "detail") {
				continue // its rows have none of these
			}
			if first && what == "log" && tt.e.Log != journal.Provider {
				continue // the two of the registry were told apart by the license alone
			}
			e, p := tt.e, tt.private
			e.Hash = sm3.Sum(text)
			if alter(&e, &p); e.Fits(p) {
				t.Errorf("%s: another %s fits, too", tt.name, what)
			}
		}
	}
}

// FuzzCanonical holds the present form to RFC 8785, and two events to two forms.
func FuzzCanonical(f *testing.F) {
	f.Add("license.read", "client", "license", "r", "ok", "name", "value", "other", []byte("0123456789abcdef"), int64(1_777_000_000_000_001), 3)
	f.Add("", "\x00\x1f\"\\", "\u2028<>&", "\U0001F600", "\u007f", "\uFB01", "", "\U0001F600", []byte(nil), int64(-1), -1)
	f.Fuzz(func(t *testing.T, action, actor, subject, request, result, name, value, other string, nonce []byte, micros int64, version int) {
		at := time.UnixMicro(micros)
		if at.Year() < 1 || at.Year() > 9999 || version > 1<<53 || version < -1<<53 || !utf8.ValidString(name) || !utf8.ValidString(other) {
			return // names of details are constants
		}
		e := journal.Event{Log: journal.Registry, Form: journal.Present, At: at, Action: journal.Action(action), Actor: journal.Actor{ID: actor}, Subject: subject, RequestID: request, Result: result, Version: version}
		p := journal.Private{Detail: map[string]string{name: value, other: value}, Nonce: nonce}
		got, err := e.Canonical(p)
		if err != nil {
			t.Fatal(err)
		}
		again := jsontext.Value(got).Clone()
		if err := again.Canonicalize(); err != nil || string(again) != string(got) {
			t.Errorf("%v\ngot  %s\nwant %s", err, got, again)
		}
	})
}
