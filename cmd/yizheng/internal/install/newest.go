package install

import (
	"context"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/signing/journal"
)

// NewestEvent returns the time of the newest license, key, or event that is
// about no license, or the zero time.
func NewestEvent(ctx context.Context, in *Installation) (newest time.Time, err error) {
	later := func(t time.Time) {
		if t.After(newest) {
			newest = t
		}
	}
	keys, err := in.DB.Keys().ListKeys(ctx, "")
	if err != nil {
		return newest, err
	}
	for _, k := range keys {
		later(k.Created)
	}
	licenses, err := in.DB.Licenses().Search(ctx, license.Query{Limit: 1})
	if err != nil {
		return newest, err
	}
	for _, l := range licenses {
		later(l.Updated)
	}
	for _, read := range []func(after int64) (time.Time, bool, error){
		func(after int64) (time.Time, bool, error) {
			es, err := in.DB.Journal().ListEvents(ctx, journal.Stream{Log: journal.Registry}, after, 1)
			if err != nil || len(es) == 0 {
				return time.Time{}, false, err
			}
			return es[0].At, true, nil
		},
		func(after int64) (time.Time, bool, error) {
			es, err := in.DB.Journal().ListEvents(ctx, journal.Stream{Log: journal.Provider}, after, 1)
			if err != nil || len(es) == 0 {
				return time.Time{}, false, err
			}
			return es[0].At, true, nil
		},
	} {
		t, err := last(read)
		if err != nil {
			return newest, err
		}
		later(t)
	}
	return newest, nil
}

// last finds the last event by halving: next returns the first one with a
// sequence number greater than after, if there is one.
func last(next func(after int64) (time.Time, bool, error)) (time.Time, error) {
	var found time.Time
	low, high := int64(0), int64(1) // there is one after low-1 if found is set; none after high, once that is known
	for {
		t, there, err := next(high)
		if err != nil {
			return found, err
		}
		if !there {
			break
		}
		found, low, high = t, high, 2*high
	}
	for low < high {
		middle := low + (high-low)/2
		t, there, err := next(middle)
		if err != nil {
			return found, err
		}
		if !there {
			high = middle
			continue
		}
		found, low = t, middle+1
	}
	return found, nil
}
