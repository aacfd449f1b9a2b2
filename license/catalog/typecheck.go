package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
)

// Bounds of a type's definition.
const (
	maxTypeName    = 100
	maxRoles       = 10
	MaxHolders     = 100
	maxAuthorities = 1000
	maxLayout      = 64 << 10
	MaxMonths      = 1200
)

var roleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// check returns a *refusal.Error that names everything wrong with a definition.
func (d *Definition) check() error {
	var vs refusal.Violations
	vs.Text("/name", d.Name, 1, maxTypeName)
	vs.Text("/name_en", d.NameEN, 0, maxTypeName)
	vs.Names("/names", d.Names, maxTypeName)
	vs.When(d.NameEN != "" && d.Names["en"] != "" && d.NameEN != d.Names["en"], "/name_en", "names_differ", "must be left out, or the same as names/en")
	vs.When(d.Numbers != NumberUnique && d.Numbers != NumberShared, "/number_policy", "enum", "must be unique or shared")
	vs.When(d.Approval != OneStep && d.Approval != TwoStep, "/approval", "enum", "must be one_step")
	vs.When(d.Approval == TwoStep, "/approval", "approval_unsupported", "must be one_step: nothing could be issued, for nobody can approve yet")
	vs.When(d.Validity.MaxMonths < 0 || d.Validity.MaxMonths > MaxMonths, "/validity/max_months", "range", "must be 0 (no limit) to 1200")
	vs.When(len(d.Authorities) == 0 || len(d.Authorities) > maxAuthorities, "/authorities", "count", "must name 1 to 1000 authorities")
	for i, c := range d.Authorities[:min(len(d.Authorities), maxAuthorities)] {
		vs.When(!c.Valid(), fmt.Sprintf("/authorities/%d", i), "uscc", "is not a unified social credit code of 18 digits and upper-case letters")
		vs.When(slices.Contains(d.Authorities[:i], c), fmt.Sprintf("/authorities/%d", i), "duplicate", "stands twice")
	}
	vs.When(len(d.Coverage) > len(d.Authorities), "/coverage", "count", "must name no more than the authorities")
	for i, c := range d.Coverage[:min(len(d.Coverage), len(d.Authorities))] {
		vs.When(!slices.Contains(d.Authorities, c), fmt.Sprintf("/coverage/%d", i), "unknown_authority", "is not among the authorities")
	}
	d.checkHolders(&vs)
	if len(d.Layout) > 0 {
		var layout map[string]json.RawMessage
		vs.When(len(d.Layout) > maxLayout || json.Unmarshal(d.Layout, &layout) != nil, "/layout", "layout", "must be a JSON object of at most 64 KiB")
	}
	compiled, err := schema.Check(d.Schema)
	if e, ok := errors.AsType[*schema.Error](err); ok {
		vs.Add("/schema"+e.Pointer, e.Reason, e.Error())
	} else if err != nil {
		vs.Add("/schema", "schema", "is not a usable JSON Schema")
	}
	if compiled != nil {
		for i, name := range d.Sensitive {
			known := slices.ContainsFunc(compiled.Fields(), func(f schema.Field) bool { return f.Name == name })
			vs.When(!known, fmt.Sprintf("/sensitive/%d", i), "unknown_field", "is not a field of the schema")
		}
	}
	return vs.Err("type_invalid", "The definition of the type is not usable; see violations.")
}

func (d *Definition) checkHolders(vs *refusal.Violations) {
	vs.When(len(d.Holders) == 0 || len(d.Holders) > maxRoles, "/holders", "count", "must name 1 to 10 roles")
	seen := map[string]bool{}
	least := 0
	for i, h := range d.Holders {
		at := fmt.Sprintf("/holders/%d", i)
		vs.When(!roleName.MatchString(h.Role), at+"/role", "pattern", "must be lower-case letters, digits and _, at most 32, a letter first")
		vs.When(seen[h.Role], at+"/role", "duplicate", "stands twice")
		seen[h.Role] = true
		vs.Text(at+"/name", h.Name, 1, maxTypeName)
		vs.Names(at+"/names", h.Names, maxTypeName)
		vs.When(h.Min < 0 || h.Max < 1 || h.Max > MaxHolders || h.Min > h.Max, at, "range", "min and max must be 0 ≤ min ≤ max, 1 ≤ max ≤ 100")
		vs.When(len(h.CodeTypes) == 0, at+"/code_types", "count", "must name at least one code type")
		for j, t := range h.CodeTypes {
			vs.When(!t.Known(), fmt.Sprintf("%s/code_types/%d", at, j), "code_type_unknown", "is not a code type of GB/T 36903")
		}
		least += h.Min
	}
	vs.When(len(d.Holders) > 0 && least == 0, "/holders", "range", "must demand at least one holder")
	vs.When(least > MaxHolders, "/holders", "range", "must not demand more than 100 holders: no license has more")
	vs.When(len(d.Holders) > 0 && !slices.ContainsFunc(d.Holders, func(h HolderRole) bool { return h.Min > 0 && !h.Replaceable }),
		"/holders", "subject", "must demand a holder whose role is not replaceable: whose license it is")
}
