package license

import (
	"errors"
	"strings"
	"testing"

	"yizheng.internal/signing"
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

func TestSeenLists(t *testing.T) {
	t.Parallel()
	list := func(entries ...StatusEntry) []byte {
		packed := make([]byte, StatusListSize*statusBits/8)
		for _, e := range entries {
			packed[e.Index/4] |= byte(e.Value) << (e.Index % 4 * statusBits)
		}
		return packed
	}
	memory := kept{}
	restarted := func() *seenLists {
		return &seenLists{memory: memory, auth: signing.NewAuthenticator(nil, nil), lists: map[int64]*seenList{}}
	}
	s := restarted()
	ended := list(StatusEntry{5, StatusInvalid}, StatusEntry{6, StatusSuspended}, StatusEntry{7, StatusSuperseded})
	for _, step := range []struct {
		name     string
		revision int64
		packed   []byte
		altered  bool
	}{
		{"the first", 3, ended, false},
		{"the same", 3, ended, false},
		{"resumed", 4, list(StatusEntry{5, StatusInvalid}, StatusEntry{7, StatusSuperseded}), false},
		{"an earlier revision", 3, ended, true},
		{"ended no more", 5, list(StatusEntry{7, StatusSuperseded}), true},
		{"superseded no more", 5, list(StatusEntry{5, StatusInvalid}), true},
		{"changed without its revision", 4, list(StatusEntry{5, StatusInvalid}, StatusEntry{7, StatusSuperseded}, StatusEntry{9, StatusInvalid}), true},
		{"another ended", 5, list(StatusEntry{5, StatusInvalid}, StatusEntry{7, StatusSuperseded}, StatusEntry{9, StatusInvalid}), false},
	} {
		for _, lists := range []*seenLists{s, restarted()} {
			if err := lists.check(1, &seenList{step.revision, step.packed}); errors.Is(err, signing.ErrAltered) != step.altered {
				t.Errorf("%s: %v", step.name, err)
			}
		}
	}
	for _, lists := range []*seenLists{s, restarted()} {
		if err := lists.checkOne(1, 5, StatusValid); !errors.Is(err, signing.ErrAltered) {
			t.Errorf("an ended entry that is valid: %v", err)
		}
		if err := lists.checkOne(1, 6, StatusValid); err != nil {
			t.Errorf("a valid entry: %v", err)
		}
		if err := lists.checkOne(2, 5, StatusValid); err != nil {
			t.Errorf("a list that was never seen: %v", err)
		}
	}
}
