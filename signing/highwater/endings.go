package highwater

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const overAtOnce = 1000

// learn remembers the sessions and families that ended according to the log, on this node
// or another one, if they are still stored. Event and ending were stored in one transaction.
func (c *comparison) learn(ctx context.Context, ended []overKey) error {
	ids := map[string][]string{}
	c.past.mu.Lock()
	for _, k := range ended {
		if _, known := c.past.over[k]; !known && !c.past.excused[k] && slices.Contains(overTables, k.table) {
			ids[k.table] = append(ids[k.table], k.id)
		}
	}
	c.past.mu.Unlock()
	for table, all := range ids {
		slices.Sort(all)
		all = slices.Compact(all)
		for page := range slices.Chunk(all, overAtOnce) {
			stored, err := c.store.Standing(ctx, table, page)
			if err != nil {
				return err
			}
			for _, s := range stored {
				c.past.ended(table, s.ID, s.Revision, s.Expires)
			}
			c.past.mu.Lock()
			enough := len(c.past.over) >= maxLearnt
			c.past.full = c.past.full || enough
			c.past.mu.Unlock()
			if enough {
				return nil
			}
		}
	}
	return nil
}

// standing looks for sessions and families that had ended and are alive again.
func (c *comparison) standing(ctx context.Context) (lost []loss, err error) {
	ended := map[string]map[string]overMark{}
	c.past.mu.Lock()
	for k, m := range c.past.over {
		if m.until < time.Now().Unix() {
			continue
		}
		if ended[k.table] == nil {
			ended[k.table] = map[string]overMark{}
		}
		ended[k.table][k.id] = m
	}
	c.past.mu.Unlock()
	for table, of := range ended {
		ids := make([]string, 0, len(of))
		for id := range of {
			ids = append(ids, id)
		}
		for len(ids) > 0 {
			n := min(len(ids), overAtOnce)
			stored, err := c.store.Standing(ctx, table, ids[:n])
			if err != nil {
				return lost, fmt.Errorf("comparing %s with what was seen: %w", table, err)
			}
			for _, s := range stored {
				if !s.Ended || s.Revision < of[s.ID].revision {
					lost = append(lost, loss{
						fmt.Sprintf("%s %s, which had ended, is as it was before: it was put back", table, s.ID),
						func() {
							delete(c.past.over, overKey{table, s.ID})
							c.past.excused[overKey{table, s.ID}] = true
						},
					})
				}
			}
			ids = ids[n:]
		}
	}
	return lost, nil
}

// codes looks for codes and assertions that were spent here and are not spent any more.
func (c *comparison) codes(ctx context.Context) (lost []loss, err error) {
	now := time.Now().Unix()
	c.past.mu.Lock()
	all := make([][32]byte, 0, len(c.past.spent))
	for hash, until := range c.past.spent {
		if until > now {
			all = append(all, hash)
		}
	}
	c.past.mu.Unlock()
	var gone [][32]byte
	for len(all) > 0 {
		n := min(len(all), overAtOnce)
		missing, err := c.store.Missing(ctx, all[:n])
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
					delete(c.past.spent, hash)
				}
			},
		})
	}
	return lost, nil
}
