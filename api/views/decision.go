package views

import (
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/oidc"
)

// choiceValue writes which license a field of the form chooses.
func choiceValue(c oidc.Choice) string {
	return c.Material + ":" + c.License + ":" + strconv.Itoa(c.Version)
}

// parseChoice reads what choiceValue wrote, and the part behind it, if one is there.
func parseChoice(s string) (c oidc.Choice, part string, ok bool) {
	fields := strings.SplitN(s, ":", 4)
	if len(fields) < 3 {
		return oidc.Choice{}, "", false
	}
	n, err := strconv.Atoi(fields[2])
	if err != nil || n < 1 {
		return oidc.Choice{}, "", false
	}
	if len(fields) == 4 {
		part = fields[3]
	}
	return oidc.Choice{Material: fields[0], License: fields[1], Version: n}, part, true
}

// Names of the consent form's fields.
const (
	fieldLicense = "license-" // and the material: the license chosen for it, or none
	FieldPart    = "part"     // a part of a license, which is read if that is chosen
	FieldChoose  = "choose"   // a material for which something must be chosen
	FieldFind    = "find-"    // and the material: what is to be looked for
	FieldFound   = "found-"   // and the material: what the page was shown for
	noLicense    = "none"
)

// DecisionOf reads a consent form. What it holds is as the browser sent it: the
// registry checks it against what it offers.
func DecisionOf(form url.Values) (d oidc.Decision, ok bool) {
	d.Form = form.Get("form")
	a := &d.Agreement
	if shown := form.Get("shown"); shown != "" {
		b, err := hex.DecodeString(shown)
		if err != nil || len(b) != len(a.Shown) {
			return d, false
		}
		copy(a.Shown[:], b)
	}
	switch form.Get("act") {
	case "refuse":
		d.Refused = true
		return d, true
	case "paper":
		return d, true
	case "approve":
		d.Undecided = undecided(form)
	default:
		return d, false
	}
	for material, value := range FieldsOf(form, fieldLicense) {
		if value == noLicense {
			continue
		}
		c, part, good := parseChoice(value)
		if !good || part != "" || c.Material != material {
			return d, false
		}
		a.Chosen = append(a.Chosen, c)
	}
	slices.SortFunc(a.Chosen, func(x, y oidc.Choice) int { return strings.Compare(x.Material, y.Material) })
	for _, value := range form[FieldPart] {
		c, part, good := parseChoice(value)
		if !good || part == "" {
			return d, false
		}
		i := slices.IndexFunc(a.Chosen, func(x oidc.Choice) bool {
			return x.Material == c.Material && x.License == c.License && x.Version == c.Version
		})
		if i >= 0 {
			a.Chosen[i].Fields = append(a.Chosen[i].Fields, part)
		}
	}
	if until := form.Get("recurring"); until != "" && len(a.Chosen) > 0 {
		seconds, err := strconv.ParseInt(until, 10, 64)
		if err != nil {
			return d, false
		}
		// As the form says, so that two clicks agree to the same: a time that the
		// person altered is theirs, and the registry has its limit.
		a.Recurring, a.Until = true, time.Unix(seconds, 0).UTC()
	}
	return d, true
}

// undecided reports whether nothing was chosen where something must be.
func undecided(form url.Values) bool {
	return slices.ContainsFunc(form[FieldChoose], func(material string) bool { return form.Get(fieldLicense+material) == "" })
}

// FieldsOf returns a form's fields that begin so, without what they begin with.
func FieldsOf(form url.Values, prefix string) map[string]string {
	found := map[string]string{}
	for name, values := range form {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			found[rest] = values[0]
		}
	}
	return found
}
