package highwater

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"yizheng.internal/signing"
)

const (
	rowsAtOnce = 5000
	// firstRows is how many events are counted at the first look at a log.
	firstRows = 1000
	// recentRows is how many of the newest events are counted again in each comparison.
	// As many older ones are counted in turn.
	recentRows = 20_000
	// longest is how many events one stretch has at most, and maxStretches how many
	// stretches a log has. Their product is how many events of a log are remembered.
	longest      = 200_000
	maxStretches = 512
	// keptFor is how long a stretch is remembered. Retention deletes no event that is
	// younger than six months by its own time. A clock that was wrong may have given an
	// event a time long past: an event that was older than late when its stretch was made
	// isn't counted.
	keptFor = 150 * 24 * time.Hour
	late    = 10 * 24 * time.Hour
)

var logs = []Log{Events, ProviderEvents}

// stretch is a part of a log: how many events there are with after < Seq ≤ upTo, and the sum
// of their digests.
type stretch struct {
	after, upTo int64
	count       int64
	sum         total
	made        int64 // the day on which it was made, in seconds; see late
}

// today returns a day's beginning, in seconds.
func today(t time.Time) int64 { return t.Unix() - t.Unix()%(24*60*60) }

// total is a sum of digests.
type total struct{ high, low uint64 }

func (t *total) add(high, low uint64) {
	var carry uint64
	t.low, carry = bits.Add64(t.low, low, 0)
	t.high, _ = bits.Add64(t.high, high, carry)
}

// events compares the logs, and remembers what was appended to them.
func (c *comparison) events(ctx context.Context) (lost []loss, err error) {
	var failed []error // an error in one log must not hide a loss in the other
	for _, log := range logs {
		found, err := c.log(ctx, log)
		if err != nil {
			failed = append(failed, fmt.Errorf("comparing the log %s with what was seen: %w", log, err))
		}
		lost = append(lost, found...)
	}
	return lost, errors.Join(failed...)
}

func (c *comparison) log(ctx context.Context, log Log) (lost []loss, err error) {
	now := time.Now()
	floor := now.Add(-keptFor).Unix()
	c.past.mu.Lock()
	known := slices.Clone(c.past.logs[log])
	turn := c.past.turn[log]
	c.past.mu.Unlock()
	end := int64(-1) // the last Seq that is known, also of a stretch that is forgotten now
	if len(known) > 0 {
		end = known[len(known)-1].upTo
	}
	for len(known) > 0 && known[0].made < floor {
		known = known[1:]
	}
	newest, failed := c.store.Newest(ctx, log)
	if failed != nil { // for example, somebody holds the log's lock; what is known can be compared all the same
		newest.Seq = math.MaxInt64
	}
	for _, s := range due(known, &turn) {
		one, err := c.recount(ctx, log, s, newest.Seq)
		if err != nil {
			return lost, err
		}
		lost = append(lost, one...)
	}
	if failed != nil {
		return lost, failed
	}
	after := end
	if after < 0 {
		after = max(0, newest.Seq-firstRows)
	}
	for after < newest.Seq {
		var ended []overKey
		s, err := c.count(ctx, log, after, newest.Seq, today(now), func(r Row) {
			if r.Ended != "" {
				ended = append(ended, overKey{r.Table, r.Ended})
			}
		})
		if err == nil {
			err = c.learn(ctx, ended)
		}
		if err != nil {
			return lost, err
		}
		if s.count > 0 {
			known = append(known, s)
		}
		after = s.upTo
	}
	nothing := !c.findings.any()
	c.past.mu.Lock()
	defer c.past.mu.Unlock()
	if nothing && lost == nil {
		c.past.logs[log], c.past.turn[log] = shorter(known), turn
		c.past.changed = true
	}
	return lost, nil
}

// recount counts a stretch again and returns a loss if it differs. newest is the Seq of the
// log's newest event.
func (c *comparison) recount(ctx context.Context, log Log, s stretch, newest int64) ([]loss, error) {
	again, err := c.count(ctx, log, s.after, s.upTo, s.made, nil)
	if err != nil || again == s {
		return nil, err
	}
	events, now := again.count, []stretch{again}
	for again.upTo < s.upTo { // there are more events now than one stretch may have
		if again, err = c.count(ctx, log, again.upTo, s.upTo, s.made, nil); err != nil {
			return nil, err
		}
		events, now = events+again.count, append(now, again)
	}
	return []loss{{
		fmt.Sprintf("events of %s between %d and %d were deleted or altered: there were %d, and there are %d", log, s.after, s.upTo, s.count, events),
		func() {
			at := slices.Index(c.past.logs[log], s)
			switch {
			case at >= 0 && newest < s.upTo: // new events will take its numbers
				c.past.logs[log] = c.past.logs[log][:at]
			case at >= 0:
				c.past.logs[log] = slices.Replace(c.past.logs[log], at, at+1, now...)
			}
		},
	}}, nil
}

// due returns the stretches to be counted now: the newest ones, and some older ones in turn.
func due(known []stretch, turn *int) (now []stretch) {
	n, rows := len(known), int64(0)
	for n > 0 && rows < recentRows {
		n--
		now, rows = append(now, known[n]), rows+known[n].count
	}
	rows = 0
	for range n {
		*turn = (*turn + 1) % n
		now, rows = append(now, known[*turn]), rows+known[*turn].count
		if rows >= recentRows {
			break
		}
	}
	return now
}

// count reads the events with after < Seq ≤ upTo and returns their stretch. If they are too
// many for one stretch, it returns the beginning. It calls each, if it isn't nil, for every
// event that counts.
func (c *comparison) count(ctx context.Context, log Log, after, upTo, made int64, each func(Row)) (stretch, error) {
	s := stretch{after: after, upTo: upTo, made: made}
	read := 0
	for at := after; ; {
		rows, err := c.store.Rows(ctx, log, at, upTo, rowsAtOnce)
		if err != nil {
			return s, err
		}
		for _, r := range rows {
			if r.At.Unix() < made-int64(late/time.Second) {
				continue
			}
			if each != nil {
				each(r)
			}
			d, err := c.auth.Digest(signing.NewFacts("highwater", string(log), r.Seq).Bytes(r.Hash[:]))
			if err != nil {
				return s, err
			}
			s.sum.add(binary.BigEndian.Uint64(d[:8]), binary.BigEndian.Uint64(d[8:]))
			s.count++
		}
		if len(rows) < rowsAtOnce {
			return s, nil
		}
		at = rows[len(rows)-1].Seq
		if read += len(rows); read >= longest {
			s.upTo = at
			return s, nil
		}
	}
}

// shorter reduces the number of stretches to maxStretches. It joins neighbours that were made
// on one day, the shortest first. If there are none to join, it drops the oldest stretch.
func shorter(all []stretch) []stretch {
	for len(all) > maxStretches {
		best := -1
		for i := range len(all) - 1 {
			sum := all[i].count + all[i+1].count
			if all[i].made == all[i+1].made && sum < longest && (best < 0 || sum < all[best].count+all[best+1].count) {
				best = i
			}
		}
		if best < 0 {
			all = all[1:]
			continue
		}
		a, b := all[best], all[best+1]
		a.upTo, a.count = b.upTo, a.count+b.count
		a.sum.add(b.sum.high, b.sum.low)
		all = slices.Replace(all, best, best+2, a)
	}
	return all
}
