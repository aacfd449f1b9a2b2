package licenses

import (
	"errors"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// statusAuthenticators tests that an entry's serial and authenticator are written with
// its value, and come back with it, also when it is valid again.
func statusAuthenticators(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	list, _, err := s.Reserve(ctx, []int{3, 5}, 100, suite.At(0))
	suite.Must(t, "Reserve", err)
	for _, step := range []struct {
		value   credential.StatusValue
		serial  int64
		auth    string
		counted int64
	}{
		{credential.StatusSuspended, 2, "first", 1},
		{credential.StatusValid, 3, "second", 1},
		{credential.StatusValid, 4, "third", 1}, // the same value, written anew
		{credential.StatusValid, 4, "third", 0},
		{credential.StatusInvalid, 5, "fourth", 1},
	} {
		before, _, err := s.LoadList(ctx, list, -1)
		suite.Must(t, "LoadList", err)
		suite.Must(t, "Save", setStatus(t, s, status.Change{List: list, Index: 5, Value: step.value, Serial: step.serial, Auth: []byte(step.auth)}))
		want := status.Entry{Index: 5, Value: step.value, Serial: step.serial, Auth: []byte(step.auth)}
		got, err := s.LoadStatus(ctx, list, 5)
		suite.Must(t, "LoadStatus", err)
		suite.Same(t, "the entry", got, want)
		revision, entries, err := s.LoadList(ctx, list, -1)
		suite.Must(t, "LoadList", err)
		suite.Same(t, "the list's entries", entries, []status.Entry{want})
		suite.Same(t, "the revision", revision, before+step.counted)
	}
	err = setStatus(t, s, status.Change{List: list, Index: 4, Value: credential.StatusInvalid})
	if gone, ok := errors.AsType[*status.UnreservedError](err); !ok || gone.List != list || gone.Index != 4 {
		t.Errorf("an entry that was never reserved: %v", err)
	}
}

// versionAt saves a license whose version has an entry.
func versionAt(t *testing.T, s suite.Licensing, list int64, index int, changes ...status.Change) status.Version {
	t.Helper()
	id := suite.NewID()
	suite.Must(t, "Save", s.Save(t.Context(), license.SaveRequest{
		Record: license.Record{ID: id, Type: typeCode, Authority: Authority, Version: 1, State: license.Active, Created: suite.At(0), Updated: suite.At(0)},
		Add:    &license.VersionRecord{License: id, Version: 1, State: license.Active, Issued: suite.At(0), Body: []byte("sealed"), StatusList: list, StatusIndex: index},
		Event:  ledger.Event(id, journal.ActionLicenseIssue),
		Status: changes,
	}))
	return status.Version{License: string(id), Number: 1}
}

// statusMend tests [status.MendStore].
func statusMend(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	list, _, err := s.Reserve(ctx, []int{1, 2, 3, 4}, 100, suite.At(0))
	suite.Must(t, "Reserve", err)
	owners, err := s.PlainOwners(ctx, status.Version{}, 10)
	suite.Must(t, "PlainOwners of none", err)
	suite.Same(t, "plain ones", len(owners), 0)
	change := func(index int, v credential.StatusValue, serial int64, auth []byte) status.Change {
		return status.Change{List: list, Index: index, Value: v, Serial: serial, Auth: auth}
	}
	versionAt(t, s, list, 1)
	versionAt(t, s, list, 2, change(2, credential.StatusSuspended, 2, []byte("auth")))
	want := map[status.Version]int{
		versionAt(t, s, list, 3, change(3, credential.StatusSuspended, 0, nil)): 3,
		versionAt(t, s, list, 4, change(4, credential.StatusInvalid, 0, nil)):   4,
	}
	var after status.Version
	for n := 0; ; n++ {
		owners, err := s.PlainOwners(ctx, after, 1)
		suite.Must(t, "PlainOwners", err)
		if len(owners) == 0 {
			suite.Same(t, "pages", n, 2)
			break
		}
		o := owners[0]
		if after = o.Version; want[o.Version] != o.Entry.Index || o.List != list || o.Entry.Value == 0 || o.Entry.Auth != nil {
			t.Errorf("a version without an authenticator: %+v", o)
		}
	}
	owners, err = s.StatusOwners(ctx, list, []int{1, 4, 77})
	suite.Must(t, "StatusOwners", err)
	suite.Same(t, "owners", len(owners), 2)
	for _, o := range owners {
		if o.List != list || o.Entry.Index != 1 && o.Entry.Index != 4 || (o.Entry.Index == 4) != (want[o.Version] == 4) {
			t.Errorf("an owner: %+v", o)
		}
	}
	owners, err = s.StatusOwners(ctx, list+1, []int{1})
	suite.Must(t, "StatusOwners of another list", err)
	suite.Same(t, "its owners", len(owners), 0)

	entry := func(index int) status.Entry {
		e, err := s.LoadStatus(ctx, list, index)
		suite.Must(t, "LoadStatus", err)
		return e
	}
	before, _, err := s.LoadList(ctx, list, -1)
	suite.Must(t, "LoadList", err)
	was := entry(4)
	suite.Must(t, "MendStatus", s.MendStatus(ctx, was, change(4, credential.StatusValid, 9, []byte("mended"))))
	suite.Same(t, "a mended entry", entry(4), status.Entry{Index: 4, Value: credential.StatusValid, Serial: 9, Auth: []byte("mended")})
	suite.Must(t, "MendStatus of one that changed", s.MendStatus(ctx, was, change(4, credential.StatusInvalid, 10, []byte("late"))))
	suite.Same(t, "an entry that changed meanwhile", entry(4).Auth, []byte("mended"))
	suite.Must(t, "MendStatus of one that is gone", s.MendStatus(ctx, status.Entry{Index: 50}, change(50, credential.StatusInvalid, 3, []byte("made"))))
	suite.Same(t, "one that was gone", entry(50), status.Entry{Index: 50, Value: credential.StatusInvalid, Serial: 3, Auth: []byte("made")})
	counted, _, err := s.LoadList(ctx, list, -1)
	suite.Must(t, "LoadList", err)
	suite.Same(t, "the revision", counted, before+2)
}
