package highwater

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

const registersAtOnce = 2000

// maxVersions is how many versions of types or items are read: they have no registers that
// could be checked. maxForged is how many forged registers are logged. Somebody who fills a
// table must fill neither a node's memory nor its log. More rows than that are no loss, as
// they may be genuine. But then not everything was compared, and that is an error.
const (
	maxVersions = 100_000
	maxForged   = 100
)

// registers compares the registers of a table.
func (c *comparison) registers(ctx context.Context, table uint8) (lost []loss, err error) {
	name, rows, forged := tables[table], 0, 0
	bounded := slices.Contains(versioned, name)
	for after := ""; ; {
		page, err := c.store.Registers(ctx, name, after, registersAtOnce)
		if err != nil {
			return lost, err
		}
		if rows += len(page); bounded && rows > maxVersions {
			return lost, fmt.Errorf("it has more rows than %d, and no more are compared", maxVersions)
		}
		behind, err := c.judge(table, page, nil, &forged)
		if err == nil && len(behind) > 0 {
			// Perhaps a record was written, and its revision noted, after the page was read. A
			// second reading has everything that was noted before it.
			if page, err = c.store.Registers(ctx, name, after, registersAtOnce); err == nil {
				behind, err = c.judge(table, page, behind, new(int))
			}
		}
		if err != nil {
			return lost, err
		}
		for id, r := range behind {
			lost = append(lost, loss{
				fmt.Sprintf("%s %s has revision %d, and had %d: it was put back", name, id, r.stored, r.remembered),
				func() { c.past.marks.lower(c.past.hash(table, id), r.stored) },
			})
		}
		if len(page) < registersAtOnce {
			if forged > maxForged {
				err = fmt.Errorf("%d registers were not written here: somebody fills the table", forged)
			}
			return append(lost, c.past.gone(table)...), err
		}
		after = page[len(page)-1].ID
	}
}

// put is a record that was put back.
type put struct{ remembered, stored int64 }

// judge compares registers and returns those that are behind what is remembered. If before
// isn't nil, it looks only at registers in before, and compares them with the revisions there.
func (c *comparison) judge(table uint8, page []Register, before map[string]put, forged *int) (behind map[string]put, err error) {
	behind = map[string]put{}
	for _, r := range page {
		h, revision := c.past.hash(table, r.ID), r.Revision
		if len(r.Mark) >= 8 {
			revision = int64(binary.BigEndian.Uint64(r.Mark))
		}
		if revision < 1 || revision > 1<<32-1 {
			continue // no revision of ours: as if the register were gone
		}
		c.past.mu.Lock()
		m, known := c.past.marks.by[h]
		c.past.mu.Unlock()
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
			c.past.mu.Lock()
			c.past.marks.there(h)
			c.past.mu.Unlock()
			continue
		case known && revision == remembered, r.Mark == nil:
		default: // new
			_, why, err := c.auth.Register(tables[table], r.ID, r.Mark)
			if err != nil {
				return nil, err
			}
			if why != "" { // its record is refused when it is read
				if *forged++; *forged <= maxForged {
					_ = c.auth.Refuse(tables[table], r.ID, why) // logged, and counted
				}
				if revision = remembered; !known {
					continue
				}
			}
		}
		c.past.mu.Lock()
		c.past.raise(h, table, revision)
		c.past.mu.Unlock()
	}
	return behind, nil
}
