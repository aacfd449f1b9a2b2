package highwater

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	registersAtOnce = 2000
	overAtOnce      = 1000
)

// How many rows are read of types or items, which have no registers that could be checked,
// and how many forged registers are told of in the log: a node's memory and its log must
// not grow with what somebody fills a table with. What is more is no loss, for it may be
// lawful; but then not everything was compared, and that is an error.
const (
	maxVersions = 100_000
	maxForged   = 100
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
	w.looking, w.found = true, nil
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
		if errors.Is(err, ErrReplica) {
			return err
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("comparing %s with what was seen: %w", tables[n], err))
		}
	}
	for _, part := range []func(context.Context) ([]loss, error){w.events, w.standing, w.codes} {
		lost, err := part(ctx)
		w.lose(lost)
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// registers compares the registers of a table.
func (w *Watch) registers(ctx context.Context, table uint8) (lost []loss, err error) {
	name, rows, forged := tables[table], 0, 0
	bounded := slices.Contains(versioned, name)
	for after := ""; ; {
		page, err := w.c.Store.Registers(ctx, name, after, registersAtOnce)
		if err != nil {
			return lost, err
		}
		if rows += len(page); bounded && rows > maxVersions {
			return lost, fmt.Errorf("it has more rows than %d, and no more are compared", maxVersions)
		}
		behind, err := w.judge(table, page, nil, &forged)
		if err == nil && len(behind) > 0 {
			// It may have been written after the page was read, and noted before it was
			// looked at. What was noted before a second reading must be in that.
			if page, err = w.c.Store.Registers(ctx, name, after, registersAtOnce); err == nil {
				behind, err = w.judge(table, page, behind, new(int))
			}
		}
		if err != nil {
			return lost, err
		}
		for id, r := range behind {
			lost = append(lost, loss{
				fmt.Sprintf("%s %s has revision %d, and had %d: it was put back", name, id, r.stored, r.remembered),
				func() { w.lower(w.hash(table, id), r.stored) },
			})
		}
		if len(page) < registersAtOnce {
			if forged > maxForged {
				err = fmt.Errorf("%d registers were not written here: somebody fills the table", forged)
			}
			return append(lost, w.gone(table)...), err
		}
		after = page[len(page)-1].ID
	}
}

// put is a record that was put back.
type put struct{ remembered, stored int64 }

// there notes that a record's register was found in this pass.
func (w *Watch) there(h uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m, ok := w.marks[h]; ok {
		m.pass = w.pass
		w.marks[h] = m
	}
}

// lower remembers the revision that a record that was put back has now. The lock is held.
func (w *Watch) lower(h uint64, revision int64) {
	if m, ok := w.marks[h]; ok {
		m.revision = uint32(revision)
		w.marks[h] = m
	}
}

// judge compares registers and returns those that are behind what is remembered; of
// those alone that were behind already, unless before is nil, and then behind that.
func (w *Watch) judge(table uint8, page []Register, before map[string]put, forged *int) (behind map[string]put, err error) {
	behind = map[string]put{}
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
			earlier, was := before[r.ID]
			if !was {
				continue
			}
			remembered, known = earlier.remembered, true
		}
		switch {
		case known && revision < remembered:
			behind[r.ID] = put{remembered, revision}
			w.there(h)
			continue
		case known && revision == remembered, r.Mark == nil:
		default: // new
			_, why, err := w.c.Auth.Register(tables[table], r.ID, r.Mark)
			if err != nil {
				return nil, err
			}
			if why != "" { // its record is refused when it is read
				if *forged++; *forged <= maxForged {
					_ = w.c.Auth.Refuse(tables[table], r.ID, why) // logged, and counted
				}
				if revision = remembered; !known {
					continue
				}
			}
		}
		w.mu.Lock()
		w.raise(h, table, revision, w.pass)
		w.mu.Unlock()
	}
	return behind, nil
}

// expiredEarly is by how much another node's clock may be ahead, which takes away what
// has expired.
const expiredEarly = 10 * time.Minute

// gone says how many registers of a table weren't there, after all were read.
func (w *Watch) gone(table uint8) []loss {
	today, soon := day(time.Now()), time.Now().Add(expiredEarly).Unix()
	w.mu.Lock()
	defer w.mu.Unlock()
	var missing []uint64
	for h, m := range w.marks {
		if m.table != table || m.pass == w.pass {
			continue
		}
		switch {
		case tables[table] == lapsing: // taken away when they have lapsed; a deleted one is refused
			if m.gone == 0 {
				m.gone = today
				w.marks[h], w.dirty = m, true
			}
		case tables[table] == expiring && int64(m.revision) < soon: // it could not be used any more
			delete(w.marks, h)
			w.counted(table, -1)
			w.dirty = true
		default:
			missing = append(missing, h)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []loss{{
		fmt.Sprintf("registers of %d records of %s are gone: they were deleted", len(missing), tables[table]),
		func() {
			for _, h := range missing {
				delete(w.marks, h)
				w.counted(table, -1)
			}
		},
	}}
}

// learn remembers what the log says that it ended, here or elsewhere, as far as it is
// still there: the event was stored with that.
func (w *Watch) learn(ctx context.Context, ended []overKey) error {
	ids := map[string][]string{}
	w.mu.Lock()
	for _, k := range ended {
		if _, known := w.over[k]; !known && !w.excused[k] && slices.Contains(overTables, k.table) {
			ids[k.table] = append(ids[k.table], k.id)
		}
	}
	w.mu.Unlock()
	for table, all := range ids {
		slices.Sort(all)
		all = slices.Compact(all)
		for page := range slices.Chunk(all, overAtOnce) {
			stored, err := w.c.Store.Standing(ctx, table, page)
			if err != nil {
				return err
			}
			for _, s := range stored {
				w.Over(table, s.ID, s.Revision, s.Expires)
			}
			w.mu.Lock()
			enough := len(w.over) >= maxLearnt
			w.full = w.full || enough
			w.mu.Unlock()
			if enough {
				return nil
			}
		}
	}
	return nil
}

// standing looks whether sessions and families that ended live again.
func (w *Watch) standing(ctx context.Context) (lost []loss, err error) {
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
					lost = append(lost, loss{
						fmt.Sprintf("%s %s, which had ended, is as it was before: it was put back", table, s.ID),
						func() {
							delete(w.over, overKey{table, s.ID})
							w.excused[overKey{table, s.ID}] = true
						},
					})
				}
			}
			ids = ids[n:]
		}
	}
	return lost, nil
}

// codes looks whether what was spent here still is.
func (w *Watch) codes(ctx context.Context) (lost []loss, err error) {
	now := time.Now().Unix()
	w.mu.Lock()
	all := make([][32]byte, 0, len(w.spent))
	for hash, until := range w.spent {
		if until > now {
			all = append(all, hash)
		}
	}
	w.mu.Unlock()
	var gone [][32]byte
	for len(all) > 0 {
		n := min(len(all), overAtOnce)
		missing, err := w.c.Store.Missing(ctx, all[:n])
		if err != nil {
			return nil, fmt.Errorf("comparing what was spent with what was seen: %w", err)
		}
		gone = append(gone, missing...)
		all = all[n:]
	}
	if len(gone) > 0 {
		lost = append(lost, loss{
			fmt.Sprintf("%d codes or assertions that were spent here are no longer so: they were deleted", len(gone)),
			func() {
				for _, hash := range gone {
					delete(w.spent, hash)
				}
			},
		})
	}
	return lost, nil
}
