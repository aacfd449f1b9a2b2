package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strings"
	"testing"
)

// lines runs a command that prints JSON objects, one a line.
func (c cli) lines(args ...string) (all []map[string]any) {
	c.t.Helper()
	for line := range strings.Lines(c.run(0, args...)) {
		all = append(all, decoded(c.t, line))
	}
	return all
}

// TestOperators does everything by commands that changes something, and finds for
// each the events that name who did it.
func TestOperators(t *testing.T) {
	t.Parallel()
	c := cli{t, demoCopy(t)}
	const who = "王操作员"
	as := func(args ...string) string { return c.run(0, append([]string{"--operator", who}, args...)...) }
	list := func(args ...string) []map[string]any {
		all := c.lines(append([]string{"event", "list", "--json", "--limit", "0", "--oldest-first", "--until", "2100-01-01"}, args...)...)
		if len(all) == 0 {
			return nil
		}
		return all[:len(all)-1] // the last one is the cursor
	}
	demo := len(list())
	client := decoded(t, as("client", "add", "--participant", departmentUSCC, "--name", "样例", "--scope", "license:read", "--json"))["client_id"].(string)
	item, definition := departmentUSCC+"-operator-item", t.TempDir()+"/item.json"
	if err := os.WriteFile(definition, []byte(`{"name": "样例事项", "purpose": "样例", "materials": [
		{"id": "permit", "name": "居住证", "relation": "applicant", "required": true,
		"alternatives": [{"type_code": "11990000000010014J001", "fields": ["number"]}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	typeFile := t.TempDir() + "/type.json"
	if err := os.WriteFile(typeFile, []byte(sampleDefinition), 0o600); err != nil {
		t.Fatal(err)
	}
	account := decoded(t, as("person", "add", "--name", "李样例", "--code", "990101199001010078", "--json"))["account"].(string)
	department := c.object("participant", "rename", departmentUSCC, "暂名", "--json")["id"].(string)
	for _, step := range []struct {
		command string // with * for what is acted on
		actions string // each begun and ended, or as a whole
		subject string
	}{
		{"client rotate-secret *", "client.rotate_secret", client},
		{"client update * --name 新名样例", "client.update", client},
		{"client disable *", "client.disable", client},
		{"client enable *", "client.enable", client},
		{"participant rename * 新名样例局", "participant.rename", department},
		{"participant update * --level 4", "participant.update", department},
		{"participant disable *", "participant.disable", department},
		{"participant enable *", "participant.enable", department},
		{"person phone * 13900139000", "account.change_phone", account},
		{"person disable *", "account.disable", account},
		{"person enable *", "account.enable", account},
		{"person reset *", "account.setup_ticket", account},
		{"key rotate access-token", "key.create", "access-token"},
		{"key retire authority-11990100000020028w-1", "key.retire", "authority-11990100000020028w-1"},
		{"key revoke authority-11990100000020028w-1 --reason superseded", "key.revoke", "authority-11990100000020028w-1"},
		{"key rehash", "key.rehash", ""},
		{"crl publish", "revocation_list.publish", "root-1"},
		{"participant delegate * --prefix 11100000000013338W --document 样例函〔2026〕1号", "catalog.delegate", department},
		{"participant undelegate * --prefix 11100000000013338W --document 样例函〔2026〕2号", "catalog.undelegate", department},
		{"type put --participant " + departmentUSCC + " " + string(sampleType) + " " + typeFile, "type.put", string(sampleType)},
		{"type publish --participant " + departmentUSCC + " " + string(sampleType), "type.publish", string(sampleType)},
		{"type retire --participant " + departmentUSCC + " " + string(sampleType), "type.retire", string(sampleType)},
		{"item put --participant " + departmentUSCC + " " + item + " " + definition, "item.put", item},
		{"item publish --participant " + departmentUSCC + " " + item, "item.publish", item},
		{"item retire --participant " + departmentUSCC + " " + item, "item.retire", item},
		{"backup " + t.TempDir() + "/b", "installation.backup", ""},
		{"participant add --uscc 12990100000100108G --name 青禾市样例医院 --class public_service --area-code 990100", "participant.create", ""},
	} {
		before := len(list("--actor", "cli:"+who))
		as(strings.Fields(strings.ReplaceAll(step.command, "*", step.subject))...)
		after := list("--actor", "cli:"+who)
		if len(after) == before {
			t.Errorf("%s: no event names who did it", step.command)
			continue
		}
		last := after[len(after)-1]
		if last["action"] != step.actions || last["result"] != "ok" || step.subject != "" && last["subject"] != step.subject {
			t.Errorf("%s: the last event is %v", step.command, last)
		}
	}
	for i, e := range list() {
		if e["altered"] != nil {
			t.Errorf("altered: %v", e)
		}
		if i >= demo && (e["actor"] == nil || e["actor"] == "cli" || e["actor"] == "") {
			t.Errorf("nobody is named: %v", e)
		}
	}
	if n := len(list("--actor", "cli")); n <= len(list("--actor", "cli:"+who)) {
		t.Errorf("%d events of all operators", n)
	}
}

// TestWhoIsTheOperator looks at how the name is found, and what is no name.
func TestWhoIsTheOperator(t *testing.T) {
	c := cli{t, demoCopy(t)}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	client := c.lines("client", "list", "--json")[0]["id"].(string)
	named := func(want string, args ...string) {
		t.Helper()
		c.run(0, append(args, "client", "enable", client)...)
		newest := c.lines("event", "list", "--json", "--limit", "1", "--log", "provider")[0]
		if newest["actor"] != "cli:"+want || newest["action"] != "client.enable" {
			t.Errorf("with %q: %v", args, newest)
		}
	}
	t.Setenv("SUDO_USER", "")
	named(me.Username)
	if os.Getuid() == 0 {
		t.Setenv("SUDO_USER", "bob\u202e")
		named("bob")
	}
	t.Setenv("YIZHENG_OPERATOR", "张三")
	named("张三")
	named("李四", "--operator", "李四")
	for _, name := range []string{" x", "a\nb", "\u202e", strings.Repeat("x", 65)} {
		if text := c.run(2, "--operator", name, "client", "enable", client); !strings.Contains(text, "--operator") {
			t.Errorf("%q: %s", name, text)
		}
	}
}

// TestEventList filters, and goes on by the cursor.
func TestEventList(t *testing.T) {
	t.Parallel()
	c := cli{t, demoCopy(t)}
	list := func(args ...string) []map[string]any {
		t.Helper()
		return c.lines(append([]string{"event", "list", "--json"}, args...)...)
	}
	all := list("--limit", "0", "--oldest-first", "--until", "2100-01-01")
	end := all[len(all)-1]
	all = all[:len(all)-1]
	if end["end"] != true || len(all) < 50 {
		t.Fatalf("%d events, and %v", len(all), end)
	}
	for _, log := range []string{"provider", "registry", "license"} {
		n := 0
		for _, e := range all {
			if e["log"] == log {
				n++
			}
		}
		if got := list("--limit", "0", "--log", log); n == 0 || len(got) != n+1 {
			t.Errorf("log %s: %d lines for %d events", log, len(got), n)
		}
	}
	// In pieces, in both orders: the same events.
	for _, order := range [][]string{{"--oldest-first", "--until", "2100-01-01"}, nil} {
		var got []map[string]any
		for cursor := ""; ; {
			args := append([]string{"--limit", "40"}, order...)
			if cursor != "" {
				args = append(args, "--cursor", cursor)
			}
			part := list(args...)
			last := part[len(part)-1]
			got, cursor = append(got, part[:len(part)-1]...), last["cursor"].(string)
			if last["end"] == true {
				break
			}
		}
		if order == nil {
			slices.Reverse(got)
		}
		if len(got) != len(all) || fmt.Sprint(got) != fmt.Sprint(all) {
			t.Errorf("in pieces with %q: %d events, want %d, or others", order, len(got), len(all))
		}
	}
	// A license's history is part of it; a person is an opaque id.
	var license, party string
	for _, e := range all {
		if e["log"] == "license" {
			license = e["subject"].(string)
		}
		if e["party"] != nil {
			party = e["party"].(string)
		}
	}
	for _, e := range list("--subject", license, "--kind", "license.*") {
		if e["cursor"] == nil && (e["subject"] != license || !strings.HasPrefix(e["action"].(string), "license.")) {
			t.Errorf("of license %s: %v", license, e)
		}
	}
	if party != "" && len(list("--party", party)) < 2 {
		t.Error("nothing of a person that was there")
	}
	for _, subject := range []string{sampleItem, "11990000000010014J005"} {
		if got := list("--subject", subject); len(got) < 2 || got[0]["log"] != "registry" || got[0]["subject"] != subject {
			t.Errorf("of %s: %v", subject, got)
		}
	}
	if got := list("--since", "2099-01-01"); len(got) != 0 {
		t.Errorf("of the future: %v", got)
	}
	if got := list("--until", "1d"); len(got) != 0 {
		t.Errorf("of before the installation: %v", got)
	}
	if got := list("--since", "24h", "--limit", "0"); len(got) != len(all)+1 {
		t.Errorf("of the last day: %d lines", len(got))
	}
	table := c.run(0, "event", "list", "--limit", "3")
	if n := strings.Count(table, "\n"); n != 4 || !strings.HasPrefix(table, "TIME") {
		t.Errorf("the table: %s", table)
	}
	text := fmt.Sprint(all) + table
	for _, name := range []string{"䶮", "青禾市", "样例", "+86", "99010119"} {
		if strings.Contains(text, name) {
			t.Errorf("the list has %q", name)
		}
	}
	for _, args := range [][]string{{"--since", "yesterday"}, {"--cursor", "x"}, {"--limit", "-1"}, {"--kind", "a*b"}, {"--log", "x"}} {
		c.run(2, append([]string{"event", "list"}, args...)...)
	}
}

// What a service counted instead of writing each is written when it is stopped, after
// the last request, and the list says how many it was.
func TestMergedEvents(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{})
	c := s.setUp(t)
	for range 25 {
		err := c.Do(t.Context(), "GET", "/v1/licenses/"+strings.Repeat("a", 26), nil, nil)
		if e, ok := errors.AsType[*statusError](err); !ok || e.Status != http.StatusNotFound {
			t.Fatal(err)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatalf("%v\n%s", err, s.Log())
	}
	list := []string{"event", "list", "--actor", c.ID, "--result", "license_unknown", "--limit", "0"}
	if out := s.Command(t, append(list, "--json")...); strings.Count(out, `"result":"license_unknown"`) != 11 || strings.Count(out, `"merged":15`) != 1 {
		t.Errorf("the list has %s", out)
	}
	if out := s.Command(t, list...); strings.Count(out, "license_unknown ×15") != 1 {
		t.Errorf("the list shows %s", out)
	}
}
