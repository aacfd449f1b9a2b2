package signing

import (
	"errors"
	"slices"
)

// Fitting reads up to limit records of a list. It leaves out those for which verify returns
// ErrAltered: one altered row must not hide the others. verify logs and counts it. more
// returns up to n records that follow one, or the first ones for nil.
func Fitting[T any](limit int, more func(after *T, n int) ([]T, error), verify func(*T) error) ([]T, error) {
	var fit []T
	var last *T
	for {
		n := limit - len(fit)
		page, err := more(last, n)
		if err != nil {
			return nil, err
		}
		for i := range page {
			err := verify(&page[i])
			if err != nil && !errors.Is(err, ErrAltered) {
				return nil, err
			}
			if err == nil {
				fit = append(fit, page[i])
			}
		}
		if len(page) < n || len(fit) >= limit {
			return fit, nil
		}
		last = &page[len(page)-1]
	}
}

// FittingAll returns the records for which verify returns nil.
func FittingAll[T any](all []T, verify func(*T) error) (fit []T, err error) {
	fit = slices.DeleteFunc(all, func(one T) bool {
		e := verify(&one)
		if e != nil && !errors.Is(e, ErrAltered) {
			err = e
		}
		return e != nil
	})
	return fit, err
}
