package serve

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/storage"
)

// TestKeptWatch: nodes on one database notice when they use different stores, and
// say nothing when they share one, when one has gone, or when it was emptied.
func TestKeptWatch(t *testing.T) {
	t.Parallel()
	db, err := storage.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "yizheng.db"), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Admin().Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var stores []storage.Ephemeral
	for range 2 {
		s, err := storage.OpenEphemeral(t.Context(), "", storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, s)
	}
	shared, other := stores[0], stores[1]
	var log bytes.Buffer
	node := func(kept storage.Ephemeral) *keptWatch {
		return newKeptWatch(kept, db.Licenses(), slog.New(slog.NewTextHandler(&log, nil)))
	}
	rounds := func(n int, nodes ...*keptWatch) {
		for range n {
			for _, w := range nodes {
				w.round(t.Context())
			}
		}
	}
	gone := node(other)
	rounds(3, gone)
	a, b := node(shared), node(shared)
	rounds(6, a, b)
	if a.foreign.Load() || b.foreign.Load() {
		t.Error("nodes with one store, after one with another has gone, think that there are two")
	}
	if err := shared.Delete(t.Context(), install.KeptName); err != nil {
		t.Fatal(err)
	}
	rounds(6, a, b)
	if a.foreign.Load() || b.foreign.Load() {
		t.Error("a store that was emptied counts as two")
	}
	if log.Len() > 0 {
		t.Errorf("the log says:\n%s", &log)
	}
	rounds(6, a, gone)
	if !a.foreign.Load() || !gone.foreign.Load() {
		t.Errorf("nodes with different stores notice: %v and %v", a.foreign.Load(), gone.foreign.Load())
	}
	if n := strings.Count(log.String(), "uses another Redis"); n != 2 {
		t.Errorf("%d lines say so, want one of each node:\n%s", n, &log)
	}
	rounds(6, a, b)
	if a.foreign.Load() {
		t.Error("it isn't forgotten when the other one has gone")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.Run(ctx) // ends
}
