package highwater

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/signing"
)

const (
	registersAtOnce = 2000
	overAtOnce      = 1000
)

// Check compares the database with all that is remembered, and then remembers how
// far it has come. ErrLost (wrapped) if it doesn't fit, or didn't before and nobody
// has accepted it; other errors say that it could not be compared.
func (w *Watch) Check(ctx context.Context) error {
	w.checking.Lock()
	defer w.checking.Unlock()
	if err := w.follow(); err != nil {
		return err
	}
	failed := w.compare(ctx)
	if err := w.Refusal(); err != nil {
		return err
	}
	w.mu.Lock()
	w.sweep(time.Now())
	if w.changed = true; failed == nil {
		w.checked = time.Now()
	}
	w.mu.Unlock()
	return errors.Join(failed, w.save(true))
}

// Compare is Check that writes nothing: for another process than the service.
func (w *Watch) Compare(ctx context.Context) error {
	w.checking.Lock()
	defer w.checking.Unlock()
	w.mu.Lock()
	w.looking = true
	w.mu.Unlock()
	failed := w.compare(ctx)
	if err := w.Refusal(); err != nil {
		return err
	}
	return failed
}

// compare compares everything, also where a part of it fails. What was lost is
// noted, and no error.
func (w *Watch) compare(ctx context.Context) error {
	w.mu.Lock()
	if w.pass++; w.pass == 0 {
		w.pass = 1
	}
	w.mu.Unlock()
	var failed []error
	for n := range tables {
		lost, err := w.registers(ctx, uint8(n))
		w.lose(lost)
		if err != nil {
			failed = append(failed, fmt.Errorf("comparing %s with what was seen: %w", tables[n], err))
		}
	}
	for _, part := range []func(context.Context) ([]string, error){w.standing, w.codes, w.events} {
		lost, err := part(ctx)
		w.lose(lost)
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// registers compares the registers of a table.
func (w *Watch) registers(ctx context.Context, table uint8) (lost []string, err error) {
	name := tables[table]
	for after := ""; ; {
		page, err := w.c.Store.Registers(ctx, name, after, registersAtOnce)
		if err != nil {
			return lost, err
		}
		behind, err := w.judge(table, page, nil)
		if err == nil && len(behind) > 0 {
			// It may have been written after the page was read, and noted before it was
			// looked at. What was noted before a second reading must be in that.
			if page, err = w.c.Store.Registers(ctx, name, after, registersAtOnce); err == nil {
				behind, err = w.judge(table, page, behind)
			}
		}
		if err != nil {
			return lost, err
		}
		for id, remembered := range behind {
			lost = append(lost, fmt.Sprintf("%s %s has an earlier revision than %d, which it had: it was put back", name, id, remembered))
		}
		if len(page) < registersAtOnce {
			return append(lost, w.gone(table)...), nil
		}
		after = page[len(page)-1].ID
	}
}

// judge compares registers and returns those that are behind what is remembered; of
// those alone that were behind already, unless before is nil, and then behind that.
func (w *Watch) judge(table uint8, page []Register, before map[string]int64) (behind map[string]int64, err error) {
	behind = map[string]int64{}
	for _, r := range page {
		h, revision := w.hash(table, r.ID), r.Revision
		if len(r.Mark) >= 8 {
			revision = int64(binary.BigEndian.Uint64(r.Mark))
		}
		if revision < 1 || revision > 1<<32-1 {
			continue // as if it were gone: it is none
		}
		w.mu.Lock()
		m, known := w.marks[h]
		w.mu.Unlock()
		remembered := int64(m.revision)
		if before != nil {
			if remembered, known = before[r.ID]; !known {
				continue
			}
		}
		switch {
		case known && revision < remembered:
			behind[r.ID] = remembered
			continue
		case known && revision == remembered, r.Mark == nil:
		default: // new
			if _, err := w.c.Auth.Register(tables[table], r.ID, r.Mark); errors.Is(err, signing.ErrAltered) {
				revision = remembered // its record is refused when it is read
				if !known {
					continue
				}
			} else if err != nil {
				return nil, err
			}
		}
		w.mu.Lock()
		w.raise(h, table, revision, w.pass)
		w.mu.Unlock()
	}
	return behind, nil
}

// gone says how many registers of a table weren't there, after all were read.
func (w *Watch) gone(table uint8) []string {
	n, today := 0, day(time.Now())
	w.mu.Lock()
	defer w.mu.Unlock()
	for h, m := range w.marks {
		if m.table != table || m.pass == w.pass {
			continue
		}
		if tables[table] == lapsing { // taken away when they have lapsed; a deleted one is refused
			if m.gone == 0 {
				m.gone = today
				w.marks[h], w.dirty = m, true
			}
			continue
		}
		n++
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("registers of %d records of %s are gone: they were deleted", n, tables[table])}
}

// standing looks whether sessions and families that ended here live again.
func (w *Watch) standing(ctx context.Context) (lost []string, err error) {
	ended := map[string]map[string]overMark{}
	w.mu.Lock()
	for k, m := range w.over {
		if m.until < time.Now().Unix() {
			continue
		}
		if ended[k.table] == nil {
			ended[k.table] = map[string]overMark{}
		}
		ended[k.table][k.id] = m
	}
	w.mu.Unlock()
	for table, of := range ended {
		ids := make([]string, 0, len(of))
		for id := range of {
			ids = append(ids, id)
		}
		for len(ids) > 0 {
			n := min(len(ids), overAtOnce)
			stored, err := w.c.Store.Standing(ctx, table, ids[:n])
			if err != nil {
				return lost, fmt.Errorf("comparing %s with what was seen: %w", table, err)
			}
			for _, s := range stored {
				if !s.Ended || s.Revision < of[s.ID].revision {
					lost = append(lost, fmt.Sprintf("%s %s, which ended here, is as it was before: it was put back", table, s.ID))
				}
			}
			ids = ids[n:]
		}
	}
	return lost, nil
}

// codes looks whether what was spent here still is.
func (w *Watch) codes(ctx context.Context) (lost []string, err error) {
	now := time.Now().Unix()
	w.mu.Lock()
	all := make([][32]byte, 0, len(w.spent))
	for hash, until := range w.spent {
		if until > now {
			all = append(all, hash)
		}
	}
	w.mu.Unlock()
	gone := 0
	for len(all) > 0 {
		n := min(len(all), overAtOnce)
		missing, err := w.c.Store.Missing(ctx, all[:n])
		if err != nil {
			return nil, fmt.Errorf("comparing what was spent with what was seen: %w", err)
		}
		gone += len(missing)
		all = all[n:]
	}
	if gone > 0 {
		lost = append(lost, fmt.Sprintf("%d codes or assertions that were spent here are no longer so: they were deleted", gone))
	}
	return lost, nil
}
