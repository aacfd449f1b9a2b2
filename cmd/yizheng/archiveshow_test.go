package main_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
	"yizheng.internal/storage"
	"yizheng.internal/storage/retention"
)

// past writes what an installation's service would have written in other years.
type past struct {
	t     *testing.T
	s     *server
	db    storage.Database
	vault *vault.Vault
	month retention.Month
	dir   string // of the archive
}

// newPast returns an installation of its own, whose service has stopped.
func newPast(t *testing.T, databaseURL string) *past {
	s := startServer(t, serverOptions{DatabaseURL: databaseURL})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	db := s.openStores(t)
	in, err := installation.Open(t.Context(), installation.Config{Dir: s.Options.Data, Records: db.Keys(), Lists: db.Keys(),
		RegistryName: "样例证照库", RegistryUSCC: departmentUSCC}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &past{t, s, db, in.Vault(), retention.MonthOf(time.Now()) - 14, filepath.Join(t.TempDir(), "archive")}
}

// seal seals what lies in a row.
func (p *past) seal(table, id, column string, contents any) []byte {
	p.t.Helper()
	plain, err := json.Marshal(contents, json.Deterministic(true))
	if err != nil {
		p.t.Fatal(err)
	}
	sealed, err := p.vault.Seal(p.t.Context(), vault.Place{Table: table, Row: id, Column: column}, plain)
	if err != nil {
		p.t.Fatal(err)
	}
	return sealed
}

// event appends an event of the registry in the first form, which spoil may change before.
func (p *past) event(id string, at time.Time, detail map[string]string, spoil func(*journal.Event)) {
	p.t.Helper()
	nonce := make([]byte, 16)
	rand.Read(nonce)
	r := journal.Event{Log: journal.Registry, Form: journal.FormFirst, ID: id, At: at, Action: journal.ActionGrantOffer, Actor: journal.Actor{ID: "client-样例", Participant: "participant"}, RequestID: "r-" + id, Result: "ok"}
	canonical, err := json.Marshal(struct {
		V           int               `json:"v"`
		ID          string            `json:"id"`
		At          time.Time         `json:"at"`
		Action      journal.Action    `json:"action"`
		Client      string            `json:"client"`
		Participant string            `json:"participant"`
		RequestID   string            `json:"request_id"`
		License     string            `json:"license"`
		Version     int               `json:"version"`
		Result      string            `json:"result"`
		Detail      map[string]string `json:"detail"`
		Nonce       []byte            `json:"nonce"`
	}{1, id, at.UTC(), r.Action, r.Actor.ID, r.Actor.Participant, r.RequestID, "", 0, r.Result, detail, nonce}, json.Deterministic(true))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Hash = sm3.Sum(canonical)
	r.Sealed = p.seal("events", id, "detail", map[string]any{"detail": detail, "nonce": nonce})
	if spoil != nil {
		spoil(&r)
	}
	if err := p.db.Journal().AppendEvents(p.t.Context(), r); err != nil {
		p.t.Fatal(err)
	}
}

// access appends an access record, of a license that is issued for it.
func (p *past) access(id audit.ID, at time.Time, body map[string]any) {
	p.t.Helper()
	ctx, stores := p.t.Context(), p.db.Licenses()
	r := license.Record{ID: id, Type: "t", Authority: "a", Version: 1, State: license.Active, Created: at, Updated: at}
	issued := journal.Event{Log: journal.License, ID: "i-" + string(id), At: at, Action: journal.ActionLicenseIssue, Subject: string(id), Result: "ok"}
	err := stores.Save(ctx, license.SaveRequest{Record: r, Event: issued, Add: &license.VersionRecord{License: id, Version: 1, State: license.Active, TypeVersion: 1, Issued: at}})
	if err != nil {
		p.t.Fatal(err)
	}
	g := grant.Record{ID: grant.ID("g-" + string(id)), State: grant.Active, Client: "c", Item: "QH-1", Basis: grant.BasisConsent, Created: at, Expires: at.Add(time.Hour), Body: []byte("-")}
	code := grant.UseCodeRecord{Grant: g.ID, Hash: sm3.Sum([]byte(id)), License: id, Version: 1, Number: 1, Created: at}
	if err := stores.SaveGrant(ctx, g, []grant.UseCodeRecord{code}, journal.Event{Log: journal.Registry, ID: "d-" + string(id), At: time.Now(), Action: journal.ActionGrantDeliver, Result: "ok"}); err != nil {
		p.t.Fatal(err)
	}
	issued.ID, issued.Action = "r-"+string(id), journal.ActionLicenseRedeem
	a := access.Record{ID: "u-" + string(id), At: at, Grant: g.ID, License: id, Version: 1, Client: "reader", Participant: "p", Item: "QH-1",
		Basis: grant.BasisConsent, Channel: grant.ChannelOnline, Result: access.ResultOK, Disclosure: access.DisclosureImmediate}
	a.Body = p.seal("access_records", a.ID, "body", body)
	if err := stores.SaveUse(ctx, access.Reading{Record: a, Event: issued, Code: code.Hash, Request: "r", GrantRevision: 1, LicenseRevision: 1}); err != nil {
		p.t.Fatal(err)
	}
}

// login is an event of the provider.
func login(id string, at time.Time) journal.Event {
	e := journal.Event{Log: journal.Provider, Form: journal.Present, ID: id, At: at, Action: "login.password", Actor: journal.Actor{ID: "browser"}, Subject: "account-" + id, Result: "ok"}
	text, err := e.Canonical(journal.Private{})
	if err != nil {
		panic(err)
	}
	e.Hash = sm3.Sum(text)
	return e
}

// file returns the path of a part, without its ending.
func (p *past) file(log retention.Table, m retention.Month) string {
	return filepath.Join(p.dir, string(log)+"-"+m.String())
}

// show shows a file as JSON.
func (p *past) show(path string, args ...string) (all []map[string]any) {
	p.t.Helper()
	for line := range strings.Lines(p.s.Command(p.t, append([]string{"archive", "show", path, "--json"}, args...)...)) {
		all = append(all, decoded(p.t, line))
	}
	return all
}

func (p *past) export() {
	p.t.Helper()
	p.s.Command(p.t, "archive", "export", p.dir)
}

// TestArchiveShow opens what is sealed in archives, narrows it, and leaves an event.
func TestArchiveShow(t *testing.T) { onEachDatabase(t, showsArchives) }

func showsArchives(t *testing.T, databaseURL string) {
	p := newPast(t, databaseURL)
	begin := p.month.Begin()
	var es []journal.Event
	for n := range 1200 { // more than are printed at once
		es = append(es, login(fmt.Sprint("l", n), begin.Add(time.Duration(n)*time.Second)))
	}
	if err := p.db.Journal().AppendEvents(t.Context(), es...); err != nil {
		t.Fatal(err)
	}
	p.event("e1", begin.Add(time.Hour), map[string]string{"grant": "grant-1", "party": "party-1", "reason": "样例\n原因"}, nil)
	p.event("e2", begin.Add(48*time.Hour), map[string]string{"grant": "grant-2"}, nil)
	p.access("license-1", begin.Add(time.Hour), map[string]any{"case": "案件-1", "fields": []string{"name", "number"},
		"officer": map[string]any{"id": "007", "name": "王样例"}, "party": "party-1", "nonce": "n"})
	p.access("license-2", begin.Add(72*time.Hour), map[string]any{"fields": []string{"name"}, "party": "party-2"})
	p.export()

	events, logins, records := p.file(retention.Events, p.month), p.file(retention.ProviderEvents, p.month), p.file(retention.AccessRecords, p.month)
	all := p.show(events + ".json")
	if len(all) != 2 || all[0]["subject"] != "grant-1" || all[0]["party"] != "party-1" || all[0]["action"] != "grant.offer" || all[0]["actor"] != "client-样例" ||
		all[0]["detail"].(map[string]any)["reason"] != "样例\n原因" || all[0]["altered"] != nil || all[0]["unopened"] != nil || all[0]["log"] != "registry" {
		t.Errorf("events: %v", all)
	}
	all = p.show(records + ".jsonl")
	if len(all) != 2 || all[0]["case"] != "案件-1" || all[0]["license"] != "license-1" || all[0]["grant"] != "g-license-1" || all[0]["nonce"] != nil ||
		fmt.Sprint(all[0]["officer"]) != "map[id:007 name:王样例]" || fmt.Sprint(all[0]["fields"]) != "[name number]" || all[0]["party"] != "party-1" {
		t.Errorf("access records: %v", all)
	}
	day := begin.Add(24 * time.Hour).Format(time.RFC3339)
	for _, c := range []struct {
		path, args string
		want       int
	}{
		{logins, "", 1200}, {logins, "--subject account-l7", 1}, {logins, "--kind login.*", 1200}, {logins, "--kind login.phone", 0}, {logins, "--actor browser --result ok", 1200},
		{logins, "--actor cli", 0}, {logins, "--until " + begin.Add(7*time.Second).Format(time.RFC3339), 7}, {logins, "--party party-1", 0},
		{events, "--since " + day, 1}, {events, "--until " + day, 1}, {events, "--subject grant-2", 1}, {events, "--party party-1", 1}, {events, "--result no", 0},
		{records, "--subject license-1", 1}, {records, "--subject g-license-2", 1}, {records, "--subject QH-1", 2}, {records, "--subject x", 0},
		{records, "--party party-2", 1}, {records, "--actor reader --since " + day, 1},
	} {
		if got := p.show(c.path+".json", strings.Fields(c.args)...); len(got) != c.want {
			t.Errorf("%s of %s: %d rows, want %d", c.args, filepath.Base(c.path), len(got), c.want)
		}
	}
	for path, want := range map[string]string{
		events:  `(?m)\ATIME +ACTION .*\n.* grant\.offer +ok +client-样例 +grant-1 +party-1 +grant=grant-1 party=party-1 reason=样例\\n原因\n.* grant-2 `,
		records: `(?m)\ATIME +RESULT .*\n.* ok +reader +license-1 +QH-1 +案件-1 +王样例 \(007\) +party-1 +name number\n`,
		logins:  `(?m)\ATIME(.*\n)(.* account-l[0-9]+\n){1000}`,
	} {
		if table := p.s.Command(t, "archive", "show", path+".json"); !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("the table of %s isn't %s:\n%.2000s", filepath.Base(path), want, table)
		}
	}
	told := p.s.Command(t, "event", "list", "--json", "--kind", "installation.read_archive", "--limit", "2")
	if strings.Count(told, p.month.String()+`.jsonl","result"`) != 2 || !strings.Contains(told, `"result":"begun"`) || !strings.Contains(told, `"result":"ok"`) || !strings.Contains(told, `"actor":"cli:`) {
		t.Errorf("events of it: %s", told)
	}
	if errs := p.s.fails(t, 2, "archive", "show", records+".json", "--kind", "login.phone"); !strings.Contains(errs, "no actions") {
		t.Error(errs)
	}
	p.s.fails(t, 2, "archive", "show", events+".json", "--since", "yesterday")
	altered(t, p, events)
}

// altered alters an archive in every place, and sees that nothing of it is shown.
func altered(t *testing.T, p *past, path string) {
	file, manifest := path+".jsonl", path+".json"
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	write := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what, want string) {
		t.Helper()
		out, errs, code := runProgram(t, "", append([]string{"archive", "show", manifest}, p.s.Options.settings()...)...)
		if code != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, and not %q:\n%s%s", what, code, want, out, errs)
		}
	}
	for i := 0; i < len(whole); i += len(whole)/40 + 1 { // a byte at a time
		text := append([]byte(nil), whole...)
		text[i] ^= 1
		write(file, text)
		if i == 0 {
			refused("the first byte", "is not as it was written")
			continue
		}
		refused(fmt.Sprint("byte ", i), "")
	}
	one := []byte(strings.Replace(string(whole), `"grant.offer"`, `"grant.offes"`, 1))
	write(file, one)
	refused("one byte", "is not as its manifest says")
	// Who alters the file has the manifest as well: the database knows better.
	sum := sm3.Sum(one)
	write(manifest, regexp.MustCompile(`"sm3": "[0-9a-f]*"`).ReplaceAll(said, fmt.Appendf(nil, `"sm3": "%x"`, sum)))
	refused("one byte and its sum", "is not what this installation archived")
	write(manifest, said)
	write(file, whole[:len(whole)-9])
	refused("half a line less", "is truncated")
	write(file, whole[:strings.LastIndex(string(whole[:len(whole)-1]), "\n")+1])
	refused("a line less", "is truncated")
	write(file, append(append([]byte(nil), whole...), whole...))
	refused("everything twice", "is not as its manifest says")
	write(file, whole)
	p.show(manifest)
}

// TestArchiveShowUnopened shows archives in which not all opens: a data key is not
// here, a row was altered before it was archived, or the file is another installation's.
func TestArchiveShowUnopened(t *testing.T) { onEachDatabase(t, showsUnopened) }

func showsUnopened(t *testing.T, databaseURL string) {
	p := newPast(t, databaseURL)
	begin := p.month.Begin()
	p.event("good", begin, map[string]string{"grant": "grant-1"}, nil)
	p.event("purged", begin, map[string]string{"grant": "grant-2"}, func(r *journal.Event) { r.Sealed[4] = 99 })
	p.event("moved", begin, map[string]string{"grant": "grant-3"}, func(r *journal.Event) { r.ID = "elsewhere" })
	p.event("renamed", begin, map[string]string{"grant": "grant-4"}, func(r *journal.Event) { r.Actor.ID = "another" })
	p.export()
	path := p.file(retention.Events, p.month) + ".json"
	out, errs, code := runProgram(t, "", append([]string{"archive", "show", path, "--json", "--lang", "en"}, p.s.Options.settings()...)...)
	rows := map[string]map[string]any{}
	for line := range strings.Lines(out) {
		r := decoded(t, line)
		rows[r["id"].(string)] = r
	}
	if code != 1 || len(rows) != 4 || rows["good"]["subject"] != "grant-1" || rows["purged"]["unopened"] != "data key 99 is not here" || rows["purged"]["detail"] != nil ||
		rows["elsewhere"]["unopened"] == nil || rows["renamed"]["altered"] != true || rows["good"]["altered"] != nil {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, want := range []string{"1 rows, sealed under data keys that this installation doesn't have (numbers 99)", "1 rows, which were altered before", "1 events don't fit"} {
		if !strings.Contains(errs, want) {
			t.Errorf("it doesn't say %q:\n%s", want, errs)
		}
	}
	if errs := p.s.fails(t, 1, "archive", "show", path, "--lang", "zh"); !strings.Contains(errs, "编号 99") {
		t.Error(errs)
	}

	other := newPast(t, "")
	foreign := func(want string) {
		t.Helper()
		if errs := other.s.fails(t, 1, "archive", "show", path, "--lang", "en"); !strings.Contains(errs, want) {
			t.Errorf("at another installation: %s, want %q", errs, want)
		}
	}
	foreign("this installation never archived")
	other.event("its own", begin, nil, nil)
	other.export()
	foreign("is not what this installation archived")
	other.event("late", begin, nil, nil)
	other.export() // a second part: the database no longer knows the sum of the first
	foreign("or are another installation's")
}
