package ledger

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/storage/storagetest/suite"
)

// Settings tests [license.SettingStore], and that [token.Settings] are the same ones.
func Settings(t *testing.T, open suite.Open) {
	db := open(t)
	s := db.Licenses
	ctx := t.Context()
	claim := func(t *testing.T, name, value, want string) {
		t.Helper()
		got, err := s.ClaimSetting(ctx, name, value)
		suite.Must(t, "ClaimSetting", err)
		suite.Same(t, "the setting "+name, got, want)
	}
	t.Run("Claim", func(t *testing.T) {
		claim(t, "public_url", "https://a.example", "https://a.example")
		claim(t, "public_url", "https://b.example", "https://a.example")
		claim(t, "another", "", "")
		claim(t, "another", "a value beside an empty one", "")
	})
	t.Run("Load", func(t *testing.T) { loadsSetting(t, s) })
	t.Run("Replace", func(t *testing.T) {
		claim(t, "replaced", "old", "old")
		suite.Must(t, "ReplaceSetting", s.ReplaceSetting(ctx, "replaced", "old", "new"))
		claim(t, "replaced", "x", "new")
		suite.Is(t, "ReplaceSetting of what it was", s.ReplaceSetting(ctx, "replaced", "old", "x"), license.ErrConflict)
		suite.Is(t, "ReplaceSetting of what isn't there", s.ReplaceSetting(ctx, "unknown", "", "x"), license.ErrConflict)
		suite.Must(t, "ReplaceSetting by itself", s.ReplaceSetting(ctx, "replaced", "new", "new"))
		claim(t, "replaced", "x", "new")
		claim(t, "unknown", "y", "y")
	})
	t.Run("Provider", func(t *testing.T) {
		for _, c := range []struct{ name, value, want string }{{"sector_key", "a", "a"}, {"sector_key", "b", "a"}} {
			got, err := db.Provider.ClaimSetting(ctx, c.name, c.value)
			suite.Must(t, "ClaimSetting", err)
			suite.Same(t, "the setting "+c.name, got, c.want)
		}
		claim(t, "sector_key", "c", "a")
		_, err := db.Provider.ClaimSetting(suite.Ended(), "provider_ended", "x")
		suite.Is(t, "ClaimSetting", err, context.Canceled)
		claim(t, "provider_ended", "y", "y")
	})
	t.Run("Race", func(t *testing.T) {
		got := make([]string, suite.Writers)
		for _, err := range suite.Race(suite.Writers, func(i int) (err error) {
			got[i], err = s.ClaimSetting(ctx, "raced", fmt.Sprint("value ", i))
			return err
		}) {
			suite.Must(t, "ClaimSetting", err)
		}
		for _, g := range got {
			suite.Same(t, "what a claimer is told", g, got[0])
		}
		claim(t, "raced", "x", got[0])
		suite.OneWins(t, "ReplaceSetting", suite.Race(suite.Writers, func(i int) error {
			return s.ReplaceSetting(ctx, "raced", got[0], fmt.Sprint("other ", i))
		}), license.ErrConflict)
	})
	t.Run("Ended", func(t *testing.T) {
		_, err := s.ClaimSetting(suite.Ended(), "ended", "x")
		suite.Is(t, "ClaimSetting", err, context.Canceled)
		claim(t, "ended", "y", "y")
		suite.Is(t, "ReplaceSetting", s.ReplaceSetting(suite.Ended(), "ended", "y", "z"), context.Canceled)
		claim(t, "ended", "x", "y")
	})
}

func loadsSetting(t *testing.T, s license.SettingStore) {
	t.Helper()
	ctx := t.Context()
	_, err := s.LoadSetting(ctx, "loaded")
	suite.Is(t, "LoadSetting of what isn't there", err, license.ErrNotFound)
	_, err = s.ClaimSetting(ctx, "loaded", "a")
	suite.Must(t, "ClaimSetting", err)
	got, err := s.LoadSetting(ctx, "loaded")
	suite.Must(t, "LoadSetting", err)
	suite.Same(t, "the setting loaded", got, "a")
	_, err = s.LoadSetting(suite.Ended(), "loaded")
	suite.Is(t, "LoadSetting", err, context.Canceled)
}
