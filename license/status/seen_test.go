package status

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
	"yizheng.internal/signing/keystore"
)

// kept is a Memory of one process after another.
type kept map[string][]byte

func (k kept) Remember(name string, data []byte) error { k[name] = data; return nil }
func (k kept) Remembered(name string) ([]byte, error)  { return k[name], nil }
func (k kept) Forget(name string) error                { delete(k, name); return nil }
func (k kept) AllRemembered(prefix string) (names []string, err error) {
	for name := range k {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// author makes entries as the registry writes them, and some that it doesn't.
type author struct {
	*signing.Authenticator
	t *testing.T
}

func newAuthor(t *testing.T) author {
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "keys"), keystore.GeneratePassphrase())
	if err == nil {
		err = keys.GenerateSecret(signing.AuthenticatorKey)
	}
	if err != nil {
		t.Fatal(err)
	}
	return author{signing.NewAuthenticator(keys, nil), t}
}

// entry is one of list 1.
func (a author) entry(index int, v credential.StatusValue, serial int64) Entry {
	return a.entryOf(1, index, v, serial)
}

func (a author) entryOf(list int64, index int, v credential.StatusValue, serial int64) Entry {
	e := Entry{Index: index, Value: v, Serial: serial}
	var err error
	if e.Auth, _, err = a.Stamp(e.facts(list)); err != nil {
		a.t.Fatal(err)
	}
	return e
}

func (a author) lists(m Memory) *seenLists {
	s := newSeenLists(m, a.Authenticator)
	return &s
}

// look is what the registry does with a list that it has loaded.
func (s *seenLists) look(t *testing.T, revision int64, entries []Entry) Loss {
	t.Helper()
	before, err := s.before(1, true)
	if err != nil {
		t.Fatal(err)
	}
	d, now, err := before.against(s.auth, 1, revision, entries)
	if err == nil && !d.lost() {
		err = s.keep(1, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Entries 5 and 7 ended and were superseded; 6 is suspended, resumed, and suspended again.
// What becomes of 6 in the end is the same if a process saw all of it, or every step was
// another's on the same memory.
func TestSeenLists(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	ended, superseded := a.entry(5, credential.StatusInvalid, 2), a.entry(7, credential.StatusSuperseded, 9)
	suspended, resumed, again := a.entry(6, credential.StatusSuspended, 2), a.entry(6, credential.StatusValid, 3), a.entry(6, credential.StatusSuspended, 4)
	with := func(es ...Entry) []Entry { return append([]Entry{ended, superseded}, es...) }
	altered := func(e Entry, value credential.StatusValue, serial int64) Entry {
		e.Value, e.Serial = value, serial
		return e
	}
	bare := func(index int, v credential.StatusValue) Entry {
		return Entry{Index: index, Value: v, Serial: 99}
	}
	memory := kept{}
	s := a.lists(memory)
	for _, step := range []struct {
		name     string
		revision int64
		entries  []Entry
		want     string // of the loss; empty: it fits
	}{
		{"the first", 3, with(suspended), ""},
		{"the same", 3, with(suspended), ""},
		{"valid as if it never changed", 4, with(), "put back to an earlier state: 6"},
		{"valid without an authenticator", 4, with(bare(6, credential.StatusValid)), "put back to an earlier state: 6"},
		{"valid with the authenticator of before", 4, with(altered(suspended, credential.StatusValid, 2)), "put back to an earlier state: 6"},
		{"valid with a greater serial and the authenticator of before", 4, with(altered(suspended, credential.StatusValid, 3)), "not written here: 6"},
		{"valid by another entry's resumption", 4, with(Entry{6, credential.StatusValid, 3, a.entry(8, credential.StatusValid, 3).Auth}), "not written here: 6"},
		{"valid by another list's", 4, with(a.entryOf(2, 6, credential.StatusValid, 3)), "not written here: 6"},
		{"ended without an authenticator", 4, with(bare(6, credential.StatusInvalid)), "not written here: 6"},
		{"resumed", 4, with(resumed), ""},
		{"suspended as before", 5, with(suspended), "put back to an earlier state: 6"},
		{"never suspended", 5, with(), "put back to an earlier state: 6"},
		{"another suspended without an authenticator", 5, with(resumed, bare(9, credential.StatusSuspended)), "not written here: 9"},
		{"suspended again", 5, with(again), ""},
		{"resumed as before", 6, with(resumed), "put back to an earlier state: 6"},
		{"suspended as at first", 6, with(suspended), "put back to an earlier state: 6"},
		{"an earlier revision", 4, with(again), "its revision fell from 5 to 4"},
		{"ended no more", 6, []Entry{superseded, again}, "are so no longer: 5"},
		{"superseded no more", 6, []Entry{ended, again}, "are so no longer: 7"},
		{"ended, now superseded", 6, []Entry{a.entry(5, credential.StatusSuperseded, 12), superseded, again}, "are so no longer: 5"},
		{"changed without the revision", 5, with(again, a.entry(9, credential.StatusInvalid, 2)), "the list's revision did not: 9"},
		{"another ended", 6, with(again, a.entry(9, credential.StatusInvalid, 2)), ""},
		{"it ended", 7, with(a.entry(6, credential.StatusInvalid, 5), a.entry(9, credential.StatusInvalid, 2)), ""},
		{"suspended and not ended", 8, with(again, a.entry(9, credential.StatusInvalid, 2)), "are so no longer: 6"},
	} {
		for who, lists := range map[string]*seenLists{"who saw all": s, "another process": a.lists(memory)} {
			d := lists.look(t, step.revision, step.entries)
			if d.lost() != (step.want != "") || !strings.Contains(d.String(), step.want) {
				t.Errorf("%s, %s: %v, want %q", step.name, who, d, step.want)
			}
		}
	}
	if n := len(decodeSeen(memory[seenName(1)]).serials); n != 0 {
		t.Errorf("%d serials are kept of entries that never change again", n)
	}
}

// A node that never saw a list takes what carries authenticators, and nothing else.
func TestUnseenList(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	d := a.lists(kept{}).look(t, 7, []Entry{
		a.entry(1, credential.StatusSuspended, 2), a.entry(2, credential.StatusValid, 3), {Index: 3, Value: credential.StatusInvalid}, {Index: 4, Value: credential.StatusSuspended, Serial: 2, Auth: []byte("none")},
	})
	if want := []int{3, 4}; !slices.Equal(d.Forged, want) || len(d.Behind)+len(d.Revived)+len(d.Changed) > 0 {
		t.Errorf("%+v, want %v forged", d, want)
	}
}

// What this node wrote itself it knows before it has seen the list again; and a reading
// from before that is no loss.
func TestNotedEntries(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	memory := kept{}
	s := a.lists(memory)
	s.look(t, 1, nil)
	early, err := s.before(1, false)
	if err != nil {
		t.Fatal(err)
	}
	s.note([]Change{{List: 1, Index: 6, Value: credential.StatusSuspended}}, 4)
	s.note([]Change{{List: 1, Index: 6, Value: credential.StatusValid}}, 3) // it was saved before, and noted after
	if d, now, err := early.against(s.auth, 1, 1, nil); err != nil || d.lost() {
		t.Errorf("read before it was written: %v, %v", d, err)
	} else if err := s.keep(1, now); err != nil {
		t.Fatal(err)
	}
	if d := s.look(t, 2, nil); !slices.Equal(d.Behind, []int{6}) {
		t.Errorf("what was written is gone: %v", d)
	}
	if err := s.keepNoted(); err != nil {
		t.Fatal(err)
	}
	if d := a.lists(memory).look(t, 2, nil); !slices.Equal(d.Behind, []int{6}) {
		t.Errorf("gone after a restart: %v", d)
	}
	if d := s.look(t, 3, []Entry{a.entry(6, credential.StatusSuspended, 4)}); d.lost() || len(s.noted) > 0 {
		t.Errorf("what was written is there: %v, %v", d, s.noted)
	}
	unread := a.lists(memory)
	unread.note([]Change{{List: 2, Index: 3, Value: credential.StatusInvalid}}, 2)
	if before, err := unread.before(2, false); err != nil || before.judge(Entry{Index: 3}) != entryRevived {
		t.Errorf("one of a list that was never read: %v, %v", before, err)
	}
}

// Files of earlier versions have no serials.
func TestSeenListOfBefore(t *testing.T) {
	t.Parallel()
	a := newAuthor(t)
	l := pack(5, []Entry{{Index: 6, Value: credential.StatusSuspended}, {Index: 7, Value: credential.StatusInvalid}})
	memory := kept{seenName(1): l.encode()[:8+valuesSize]}
	for name, c := range map[string]struct {
		entry Entry
		lost  bool
	}{
		"suspended, stamped since":  {a.entry(6, credential.StatusSuspended, 2), false},
		"resumed with one":          {a.entry(6, credential.StatusValid, 3), false},
		"valid as if never changed": {Entry{Index: 6}, true},
		"valid, serial without one": {Entry{Index: 6, Serial: 9}, true},
	} {
		before, err := a.lists(memory).before(1, false)
		if err != nil {
			t.Fatal(err)
		}
		if d, _, err := before.against(a.Authenticator, 1, 6, []Entry{c.entry, a.entry(7, credential.StatusInvalid, 2)}); err != nil || d.lost() != c.lost {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
	for _, b := range [][]byte{nil, {1}, make([]byte, 8+valuesSize-1), make([]byte, 8+valuesSize+serialSize-1)} {
		if decodeSeen(b) != nil {
			t.Errorf("%d bytes are taken for a list", len(b))
		}
	}
}
