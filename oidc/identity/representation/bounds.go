package representation

import (
	"regexp"
	"slices"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// mostBounds is how many items, or types, a representation is bound to at most.
const mostBounds = 100

var boundCode = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._:-]{0,99}$`)

// Checked returns bounds in the form in which they are stored. *identity.Error: representation_malformed.
func (b Bounds) Checked(today party.Date) (Bounds, error) {
	var acts []Act
	for _, a := range Acts() {
		if slices.Contains(b.Acts, a) {
			acts = append(acts, a)
		}
	}
	strange := func(a Act) bool { return !slices.Contains(Acts(), a) }
	if len(acts) == 0 || slices.ContainsFunc(b.Acts, strange) {
		return b, &identity.Error{Reason: ReasonMalformed, Detail: "say for what: apply, view, or both"}
	}
	b.Acts = acts
	for _, codes := range []*[]string{&b.Items, &b.Types} {
		*codes = slices.Compact(slices.Sorted(slices.Values(*codes)))
		if len(*codes) > mostBounds || slices.ContainsFunc(*codes, func(c string) bool { return !boundCode.MatchString(c) }) {
			return b, &identity.Error{Reason: ReasonMalformed, Detail: "a representation is bound to at most 100 items and 100 types, by their codes"}
		}
	}
	if !b.Until.IsZero() && (b.Until.Before(today) || b.Until.Before(b.From)) {
		return b, &identity.Error{Reason: ReasonMalformed, Detail: "the last day has passed, or lies before the first"}
	}
	return b, nil
}

// Within reports whether bounds go no farther than others: nobody gives more than they have.
func (b *Bounds) Within(o *Bounds) bool {
	few := func(mine, others []string) bool {
		return len(others) == 0 || len(mine) > 0 && !slices.ContainsFunc(mine, func(c string) bool { return !slices.Contains(others, c) })
	}
	return few(b.Items, o.Items) && few(b.Types, o.Types) && !slices.ContainsFunc(b.Acts, func(a Act) bool { return !slices.Contains(o.Acts, a) }) &&
		!b.From.Before(o.From) && (o.Until.IsZero() || !b.Until.IsZero() && !b.Until.After(o.Until))
}
