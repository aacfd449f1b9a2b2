package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// stores has sources and links in memory, and stores arrivals in the memory of a world.
type stores struct {
	mu      sync.Mutex
	sources map[string]intake.Source
	links   map[string]intake.LinkRecord
	memory  *identitytest.Memory
	before  func() error // is called before an arrival is stored, once; its error is that of Arrive
}

func (s *stores) CreateSource(_ context.Context, of intake.Source) error {
	if _, taken := s.sources[of.Name]; taken {
		return identity.ErrExists
	}
	of.Revision = 1
	s.sources[of.Name] = of
	return nil
}

func (s *stores) LoadSource(_ context.Context, name string) (intake.Source, error) {
	if of, ok := s.sources[name]; ok {
		return of, nil
	}
	return intake.Source{}, identity.ErrNotFound
}

func (s *stores) UpdateSource(_ context.Context, of intake.Source) error {
	if s.sources[of.Name].Revision != of.Revision {
		return identity.ErrConflict
	}
	of.Revision++
	s.sources[of.Name] = of
	return nil
}

func (s *stores) ListSources(context.Context, string, int) (all []intake.Source, err error) {
	for _, of := range s.sources {
		all = append(all, of)
	}
	return all, nil
}

func (s *stores) Arrive(ctx context.Context, a intake.Arrival) error {
	s.mu.Lock()
	before := s.before
	s.before = nil
	s.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	if _, err := s.FindLink(ctx, a.Link.Keys); err == nil {
		return identity.ErrExists
	}
	if a.Made != nil && a.Made.Party != nil {
		if err := s.memory.CreateParty(ctx, *a.Made.Party); err != nil {
			return err
		}
	}
	if a.Made != nil {
		if err := s.memory.CreateAccount(ctx, a.Made.Account); err != nil {
			if a.Made.Party != nil {
				s.memory.Lock()
				defer s.memory.Unlock()
				delete(s.memory.Parties, a.Made.Party.ID)
			}
			return err
		}
		if err := s.memory.AppendEvents(ctx, a.Event); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[a.Link.ID] = a.Link
	return nil
}

func (s *stores) FindLink(_ context.Context, keys []signing.Lookup) (intake.LinkRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if slices.ContainsFunc(l.Keys, func(k signing.Lookup) bool { return slices.Contains(keys, k) }) {
			return l, nil
		}
	}
	return intake.LinkRecord{}, identity.ErrNotFound
}

func (s *stores) UpdateLink(_ context.Context, l intake.LinkRecord, _ []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.Created = s.links[l.ID].Created
	s.links[l.ID] = l
	return nil
}

func (s *stores) ListLinks(_ context.Context, after string, limit int) (all []intake.LinkRecord, err error) {
	for _, l := range s.links {
		if l.ID > after {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b intake.LinkRecord) int { return strings.Compare(a.ID, b.ID) })
	return all[:min(len(all), limit)], nil
}

// world is people with an intake, and the source qinghe, of level 2.
type world struct {
	*identitytest.World
	*stores
	*intake.Service
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{World: identitytest.NewWorld(t), stores: &stores{sources: map[string]intake.Source{}, links: map[string]intake.LinkRecord{}}}
	w.stores.memory = w.Memory
	var err error
	w.Service, err = intake.New(intake.Config{
		Sources: w.stores, Links: w.stores, People: w.World.Node.Service, Passwords: w.Hash, Vault: w.Vault,
		Journal: journal.NewRecorder(journal.Config{Log: journal.Provider, Store: w.Memory, Reason: identity.ReasonOf}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.PutSource(t.Context(), "cli", intake.Source{Name: "qinghe", DisplayName: "青禾市样例门户", Level: 2}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) begin(t *testing.T, dry bool) *intake.Import {
	t.Helper()
	i, err := w.Begin(t.Context(), "cli", "qinghe", intake.Options{Level: 1, Dry: dry})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// bring brings rows, one after the other, and returns what became of each.
func bring(t *testing.T, i *intake.Import, rows ...intake.Row) (outcomes []string) {
	t.Helper()
	for n, r := range rows {
		r.Place.Line = n + 2
		c, err := i.Check(r)
		outcome := intake.Quarantined
		if err == nil {
			outcome, err = i.Take(t.Context(), c)
		}
		text := string(outcome)
		if e, ok := errors.AsType[*intake.Refusal](err); ok {
			text = string(e.Reason)
		} else if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, text)
	}
	return outcomes
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const zhang, li = "990101199001010035", "990101195512310023"

func TestOutcomes(t *testing.T) {
	w := newWorld(t)
	tomorrow := party.DateOf(time.Now().Add(48 * time.Hour)).String()
	rows := []intake.Row{
		{Record: "1", Name: "张小䶮", Code: zhang, Phone: "13800138000", Login: "xiaoyan", Level: "2", Proofed: "2024/5/1"},
		{Record: "1", Name: "张小䶮", Code: zhang, Phone: "13800138000", Login: "xiaoyan", Level: "2", Proofed: "20240501"}, // the same day
		{Record: "1", Name: "张小䶮", Code: zhang, Phone: "13800138001"},
		{Record: "2", Name: "张小䶮", Code: zhang, Phone: "13800138000"},
		{Record: "3", Name: "张大䶮", Code: zhang},
		{Record: "4", Name: "李建国", Code: li, Phone: "+86 138-0013-8000"},
		{Record: "5", Name: "李建国", Code: li, Login: "XIAOYAN"},
		{Record: "6", Name: "李建国", Code: li, Level: "3"},
		{Record: "7", Name: "李建国", Code: li, Level: "二"},
		{Record: "8", Name: "李建国", Code: li, Proofed: tomorrow},
		{Record: "9", Name: "李建国", Code: li, Proofed: "2024-02-30"},
		{Record: "9", Name: "李建国", Code: "9.90101E+17"},
		{Record: "9", Name: "李建国", Code: li, Phone: "1.38E+10"},
		{Record: "9", Name: "李建国", Code: "E12345678", CodeType: "驾驶证"},
		{Record: "10", Name: "李建国", Code: li, Password: "5f4dcc3b5aa765d61d8327deb882cf99"},
		{Record: "11", Name: "李??", Code: li},
		{Record: "12", Name: "", Code: li},
		{Record: "13", Name: "李建国", Code: "990101195512310024"},
		{Record: "14", Name: "李建国", Code: li, CodeType: "001"},
		{Record: "15", Name: "李建国", Code: li, Phone: "010-66668888"},
		{Record: "16", Name: "李建国", Code: li, Login: "E12345678"},
		{Record: strings.Repeat("x", 65), Name: "李建国", Code: li},
		{Record: "a\u200bb", Name: "李建国", Code: li},
		{Record: "4e2", Name: "李建国", Code: li, Level: "3"}, // an id in hexadecimal
		{Record: "1.23457E+17", Name: "李建国", Code: li},
		{Record: "17", Name: "=李建国", Code: li},
		{Record: "18", Name: "李建国", Code: li, Proofed: " "},
		{Record: "18", Name: "李建国", Code: li},
	}
	outcomes := []string{"taken", "known", "duplicate_record", "known", "duplicate_code", "duplicate_phone", "duplicate_login_name", "level_too_high", "level_invalid",
		"date_invalid", "date_invalid", "number_imprecise", "number_imprecise", "code_type_unknown", "password_unknown", "name_invalid", "name_invalid", "code_invalid", "code_invalid", "phone_invalid", "login_name_invalid",
		"record_id_invalid", "record_id_invalid", "level_too_high", "number_imprecise", "formula", "taken", "known"}
	want(t, "a dry run", bring(t, w.begin(t, true), rows...), outcomes...)
	if n := len(w.links); n > 0 {
		t.Fatalf("a dry run made %d links", n)
	}
	want(t, "a run", bring(t, w.begin(t, false), rows...), outcomes...)
	a, err := w.World.Node.Service.FindAccount(t.Context(), "xiaoyan")
	if err != nil || a.Phone != "+8613800138000" || a.Proofing.Level != 2 || a.Proofing.Source != "qinghe" || a.Proofing.Method != "import" || a.Proofing.At.Year() != 2024 {
		t.Errorf("the account is %+v, %v", a, err)
	}

	if a, err = w.World.Node.Service.FindAccount(t.Context(), li); err != nil || !a.Proofing.At.IsZero() {
		t.Errorf("a day that isn't known: %+v, %v", a.Proofing, err)
	}

	// Another run: what came before is known, what says something else is refused, and so is what is others'.
	rows[3].Phone = "13800138009"
	want(t, "another run", bring(t, w.begin(t, false), rows[0], rows[3],
		intake.Row{Record: "20", Name: "张小䶮", Code: zhang, Phone: "13900000000"}, intake.Row{Record: "21", Name: "李某", Code: li}),
		"known", "record_differs", "known", "name_differs")
	want(t, "others' logins", bring(t, w.begin(t, false),
		intake.Row{Record: "22", Name: "John Smith", CodeType: "414", Code: "E12345678", Phone: "13800138000"},
		intake.Row{Record: "23", Name: "John Smith", CodeType: "414", Code: "E12345678", Login: "Xiaoyan"}),
		"phone_taken", "login_name_taken")
	if again, err := w.World.Node.Service.FindAccount(t.Context(), "xiaoyan"); err != nil || again.Revision != 1 {
		t.Errorf("the account was changed: %+v, %v", again, err)
	}
}

// TestWritten: dates and types of documents, as systems write them.
func TestWritten(t *testing.T) {
	w := newWorld(t)
	for n, day := range []string{"2024-03-02", "2024-3-2", "2024/03/02", "2024/3/2 0:00", "2024.03.02", "20240302", "2024年3月2日", "2024-03-02 10:20:30", "2024-03-01T17:00:00Z", "2024-03-02T00:30:00+08:00"} {
		row := intake.Row{Record: fmt.Sprint(n), Name: "样例甲", Code: fmt.Sprintf("E%08d", n), CodeType: []string{"护照", "414", "普通护照"}[n%3], Login: fmt.Sprintf("someone-%d", n), Proofed: day}
		want(t, day, bring(t, w.begin(t, false), row), "taken")
		a, err := w.World.Node.Service.FindAccount(t.Context(), row.Login)
		if err != nil || party.DateOf(a.Proofing.At).String() != "2024-03-02" {
			t.Errorf("%s is %s, %v", day, a.Proofing.At, err)
		}
	}
	hong := intake.Row{Record: "hong", Name: "样例乙", Code: "H12345678", CodeType: "港澳居民来往内地通行证"}
	want(t, "a permit", bring(t, w.begin(t, false), hong), "taken")
}

// TestCutOff: a row that can't be stored leaves nothing, and ends the import.
func TestCutOff(t *testing.T) {
	w := newWorld(t)
	row := intake.Row{Record: "1", Name: "张小䶮", Code: zhang}
	failure := errors.New("the power failed")
	w.before = func() error { return failure }
	i := w.begin(t, false)
	c, err := i.Check(row)
	if err != nil {
		t.Fatal(err)
	}
	events := len(w.Results())
	if _, err := i.Take(t.Context(), c); !errors.Is(err, failure) {
		t.Fatalf("taking: %v", err)
	}
	if len(w.Parties) > 0 || len(w.Accounts) > 0 || len(w.Results()) > events {
		t.Errorf("%d parties, %d accounts, events %q", len(w.Parties), len(w.Accounts), w.Results()[events:])
	}
	want(t, "the next run", bring(t, w.begin(t, false), row), "taken")
	row.Phone = "13800138000"
	want(t, "changed", bring(t, w.begin(t, false), row), "record_differs")
}

// TestQuicker: another process brings in something of the same person between the checks and the
// storing. What was true before is decided anew.
func TestQuicker(t *testing.T) {
	own := intake.Row{Record: "1", Name: "张小䶮", Code: zhang, Phone: "13800138000", Login: "xiaoyan"}
	for _, tt := range []struct {
		what  string
		other intake.Row
		want  string
	}{
		{"the same row", own, "known"},
		{"the same record, of somebody else", intake.Row{Record: "1", Name: "李建国", Code: li}, "record_differs"},
		{"the same person, as another record", intake.Row{Record: "2", Name: "张小䶮", Code: zhang}, "known"},
		{"the same number, with another name", intake.Row{Record: "2", Name: "张大䶮", Code: zhang}, "name_differs"},
		{"the same phone, of somebody else", intake.Row{Record: "2", Name: "李建国", Code: li, Phone: "13800138000"}, "phone_taken"},
		{"the same login name, of somebody else", intake.Row{Record: "2", Name: "李建国", Code: li, Login: "xiaoyan"}, "login_name_taken"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			w := newWorld(t)
			w.before = func() error {
				want(t, "the other process", bring(t, w.begin(t, false), tt.other), "taken")
				return nil
			}
			want(t, "this one", bring(t, w.begin(t, false), own), tt.want)
			if accounts := len(w.Accounts); accounts != 1 {
				t.Errorf("%d accounts", accounts)
			}
		})
		t.Run(tt.what+", between two checks", func(t *testing.T) {
			w := newWorld(t)
			w.Delay = func(call string) {
				if call == "FindAccount" { // after the party was sought
					w.Delay = nil
					want(t, "the other process", bring(t, w.begin(t, false), tt.other), "taken")
				}
			}
			want(t, "this one", bring(t, w.begin(t, false), own), tt.want)
		})
	}
}

// TestLostLogins: an account to which none of the person's codes leads any more is no second one's chance.
func TestLostLogins(t *testing.T) {
	w := newWorld(t)
	row := intake.Row{Record: "1", Name: "张小䶮", Code: zhang}
	want(t, "taking", bring(t, w.begin(t, false), row), "taken")
	for id, a := range w.Accounts {
		a.Logins = nil
		w.Accounts[id] = a
	}
	row.Record = "2"
	want(t, "as another record", bring(t, w.begin(t, false), row), "account_exists")
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	i := w.begin(t, false)
	bring(t, i, intake.Row{Record: "1", Name: "张小䶮", Code: zhang}, intake.Row{Record: "2", Name: "李某", Code: "1"})
	if err := i.End(t.Context(), "ok", intake.Counts{Taken: 1, Quarantined: 1}); err != nil {
		t.Fatal(err)
	}
	all := w.Results()
	tail := all[max(0, len(all)-3):]
	want(t, "events", tail, "import.begin begun", "account.import ok", "import.end ok: 1 taken, 0 known, 1 quarantined")
}

// TestLogin: who was taken in logs in with the old password; then it is hashed as ours are.
func TestLogin(t *testing.T) {
	w := newWorld(t)
	// SM3 of 盐 and the password would do; that of abc is in GB/T 32905-2016.
	hash := "$sm3$before$YQ==$66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
	want(t, "taking", bring(t, w.begin(t, false), intake.Row{Record: "1", Name: "张小䶮", Code: zhang, Password: hash}), "taken")
	a, err := w.World.Node.Service.FindAccount(t.Context(), zhang)
	if err != nil || a.Password.Algorithm != "argon2id" || a.Password.Inner.Scheme != "sm3-before" {
		t.Fatalf("the password is stored as %+v, %v", a.Password, err)
	}
	if _, err := w.CheckPassword(t.Context(), identitytest.Attempt(zhang, "bd")); err == nil {
		t.Error("another password was taken")
	}
	if _, err := w.CheckPassword(t.Context(), identitytest.Attempt(zhang, "bc")); err != nil {
		t.Fatalf("logging in: %v", err)
	}
	renewed, err := w.World.Node.Service.FindAccount(t.Context(), zhang)
	if err != nil || !renewed.Password.Inner.IsZero() || renewed.Password.Algorithm != "argon2id" || !renewed.Password.Set.Equal(a.Password.Set) {
		t.Errorf("after a login it is stored as %+v, %v", renewed.Password, err)
	}
	if _, err := w.CheckPassword(t.Context(), identitytest.Attempt(zhang, "bc")); err != nil {
		t.Errorf("logging in again: %v", err)
	}
}

func TestSources(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, of := range []intake.Source{{Name: "Q", Level: 1}, {Name: "q h", Level: 1}, {Name: "qh", Level: 0}, {Name: "qh", Level: 4}, {Name: "qh", Level: 1, DisplayName: "a\u200bb"}} {
		_, err := w.PutSource(ctx, "cli", of)
		identitytest.IsReason(t, fmt.Sprintf("%+v", of), err, "source_invalid")
	}
	changed, err := w.PutSource(ctx, "cli", intake.Source{Name: "qinghe", Level: 3})
	if err != nil || changed.Revision != 2 || changed.DisplayName != "青禾市样例门户" || changed.Level != 3 {
		t.Errorf("changed: %+v, %v", changed, err)
	}
	if _, err := w.Begin(ctx, "cli", "nobody", intake.Options{Level: 1}); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("an unknown source: %v", err)
	}
	// Whoever can write the database can't raise a source's level.
	if _, err := w.PutSource(ctx, "cli", intake.Source{Name: "qinghe", Level: 1}); err != nil {
		t.Fatal(err)
	}
	altered := w.sources["qinghe"]
	altered.Level = 3
	w.sources["qinghe"] = altered
	if _, err := w.Begin(ctx, "cli", "qinghe", intake.Options{Level: 3}); !errors.Is(err, signing.ErrAltered) {
		t.Errorf("an altered source: %v", err)
	}
}

// TestForeignLink: a link to which another record's key was made to lead is refused.
func TestForeignLink(t *testing.T) {
	w := newWorld(t)
	want(t, "taking", bring(t, w.begin(t, false), intake.Row{Record: "1", Name: "张小䶮", Code: zhang}, intake.Row{Record: "2", Name: "李建国", Code: li}), "taken", "taken")
	ids := make([]string, 0, 2)
	for id := range w.links {
		ids = append(ids, id)
	}
	one, other := w.links[ids[0]], w.links[ids[1]]
	one.Keys, other.Keys = other.Keys, one.Keys
	w.links[ids[0]], w.links[ids[1]] = one, other
	want(t, "a link of another record", bring(t, w.begin(t, false), intake.Row{Record: "1", Name: "张小䶮", Code: zhang}), "record_altered")
	if err := w.Rehash(t.Context(), func(int) {}); err != nil { // which writes the keys anew
		t.Fatal(err)
	}
	want(t, "after that", bring(t, w.begin(t, false), intake.Row{Record: "1", Name: "张小䶮", Code: zhang}), "known")
}

// BenchmarkCheck is what a row costs before any store is asked: parsing, checks, the rows before it.
func BenchmarkCheck(b *testing.B) {
	i, err := newWorld(b).Begin(b.Context(), "cli", "qinghe", intake.Options{Level: 1, Dry: true})
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		code := fmt.Sprintf("E%08d", n)
		if _, err := i.Check(intake.Row{Record: code, Name: "样例甲", CodeType: "414", Code: code, Proofed: "2024-05-01"}); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("1", "张小䶮", "111", zhang, "13800138000", "xiaoyan", "2", "2024/5/1", "$2b$")
	f.Add("=1", "?", "", "", "+1", "a", "4", "20241301", "$sm3$before$$")
	f.Fuzz(func(t *testing.T, record, name, kind, code, phone, login, level, day, password string) {
		w := newWorld(t)
		i := w.begin(t, true)
		if _, err := i.Check(intake.Row{Record: record, Name: name, CodeType: kind, Code: code, Phone: phone, Login: login, Level: level, Proofed: day, Password: password}); err != nil {
			if _, ok := errors.AsType[*intake.Refusal](err); !ok {
				t.Errorf("not a refusal: %v", err)
			}
		}
	})
}
