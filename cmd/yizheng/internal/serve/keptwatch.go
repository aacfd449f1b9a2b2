package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license"
	"yizheng.internal/storage"
)

// keptWatch watches the store for what may be lost: whether it does what logins
// need, and whether all nodes on this database use the same one.
//
// Each store has a name. A node that finds a store without a name makes one up. From time to
// time each node writes its store's name into a setting of the database. If a node keeps
// finding another name there after it wrote its own, a living node uses another store. No
// clock is needed for that. A store that was emptied gets a new name, which all nodes read
// within a round, so finding another name once proves nothing.
type keptWatch struct {
	kept     storage.Ephemeral
	settings license.SettingStore
	log      *slog.Logger
	every    time.Duration

	foreign atomic.Bool // another node uses another store

	mu     sync.Mutex // guards the rest
	seen   string     // the setting at the last look
	looks  [foreignOf]bool
	look   int
	logged time.Time
	skip   int
}

const (
	watchKeptEvery = 10 * time.Second
	logKeptEvery   = time.Minute

	// If at least foreignIf of the last foreignOf looks found another store's name, this node
	// reports that there is another store.
	foreignOf = 6
	foreignIf = 2
)

func newKeptWatch(kept storage.Ephemeral, settings license.SettingStore, log *slog.Logger) *keptWatch {
	return &keptWatch{kept: kept, settings: settings, log: log, every: watchKeptEvery}
}

// Run watches until ctx ends.
func (w *keptWatch) Run(ctx context.Context) {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		w.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// round looks once.
func (w *keptWatch) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.every)
	defer cancel()
	if err := w.kept.Probe(ctx); err != nil {
		w.logError("the store for what may be lost can't be used: nobody can log in", err)
		return
	}
	if err := w.compare(ctx); err != nil {
		w.logError("the store for what may be lost can't be compared with other nodes'", err)
	}
	if w.foreign.Load() {
		w.logError("another node on this database uses another Redis: logins fail at random. Give all nodes the same --redis-url", nil)
	}
}

// logError logs an error, once a minute at most.
func (w *keptWatch) logError(message string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); w.logged.IsZero() || now.Sub(w.logged) >= logKeptEvery {
		w.log.Error(message, "error", err, "more_like_it", w.skip)
		w.logged, w.skip = now, 0
		return
	}
	w.skip++
}

// compare compares the store's name with what nodes wrote into the database.
func (w *keptWatch) compare(ctx context.Context) error {
	own, err := install.StoreName(ctx, w.kept)
	if err != nil {
		return err
	}
	mine := own + " " + rand.Text()
	stored, err := w.settings.ClaimSetting(ctx, install.KeptSetting, mine)
	if err != nil {
		return texts.Refuse("kept.comparing", err)
	}
	name, _, _ := strings.Cut(stored, " ")
	w.note(name != own, stored)
	err = w.settings.ReplaceSetting(ctx, install.KeptSetting, stored, mine)
	if errors.Is(err, license.ErrConflict) || stored == mine {
		return nil // another node wrote meanwhile
	}
	if err == nil {
		w.mu.Lock()
		w.seen = mine
		w.mu.Unlock()
	}
	return err
}

// note takes note of one look.
func (w *keptWatch) note(differs bool, stored string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// What was there at the first look may be a node's that has gone.
	w.looks[w.look%foreignOf] = differs && w.seen != "" && stored != w.seen
	w.look++
	w.seen = stored
	n := 0
	for _, foreign := range w.looks {
		if foreign {
			n++
		}
	}
	w.foreign.Store(n >= foreignIf)
}
