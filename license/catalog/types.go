package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing/journal"
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

func sealType(t Type) (TypeRecord, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return TypeRecord{}, fmt.Errorf("encoding type %s: %w", t.Code, err)
	}
	return TypeRecord{
		Code: t.Code, Version: t.Version, State: t.State, Revision: t.Revision,
		Owner: t.Owner, Body: body, Updated: time.Now(),
	}, nil
}

// Types are the license types of the catalog. It is safe for concurrent use. Refusals that
// a caller may see are *[refusal.Error].
type Types struct {
	store       TypeStore
	delegations *Delegations
	journal     Journal
	publicURL   string
	cache       typeCache
}

// Heads returns a type's newest versions, none if there is no such type. What another
// node published or retired holds here two seconds later at the latest.
func (c *Types) Heads(ctx context.Context, code credential.TypeCode) (Heads, error) {
	return c.cache.of(ctx, code)
}

// At returns one version of a type, shared and not to be changed; nil if there is none.
func (c *Types) At(ctx context.Context, code credential.TypeCode, version int) (*Type, error) {
	return c.cache.version(ctx, code, version)
}

// Issuable returns a version with its schema compiled.
func (c *Types) Issuable(t *Type) (*Issuable, error) { return c.cache.compiled(t) }

// Put writes the draft of a type: its first version, or the one after the
// newest. Its code begins with the caller's own, or one that was delegated to it, and
// only the participant that defined a type may change it, as long as that is so.
func (c *Types) Put(ctx context.Context, a audit.Actor, code credential.TypeCode, d Definition) (t Type, created bool, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionTypePut)
	if _, err := credential.ParseTypeCode(string(code)); err != nil {
		return Type{}, false, refusal.Invalid("type_code", "The type code is not 18 characters of a unified social credit code and three digits.")
	}
	if err := d.check(); err != nil {
		return Type{}, false, err
	}
	h, err := c.cache.read(ctx, code)
	if err != nil {
		return Type{}, false, err
	}
	if err := c.delegations.mayWrite(ctx, a, string(code), h.owner(), h.Mandating() == nil, errTypeOwner); err != nil {
		return Type{}, false, err
	}
	t = Type{Code: code, Version: 1, State: TypeDraft, Definition: d, Owner: a.Participant, CreatedAt: time.Now().UTC()}
	before := Use{}
	if newest := h.Newest(); newest != nil {
		t.Version = newest.Version + 1
		if newest.State == TypeDraft {
			t.Version, t.Revision, t.CreatedAt = newest.Version, newest.Revision, newest.CreatedAt
			if before, err = useOf(newest.Owner == a.Participant, newest); err != nil {
				return Type{}, false, err
			}
		}
	}
	if t.Version > maxVersions {
		return Type{}, false, refusal.Conflict("versions_limit", "The type has 1000 versions, as many as there may be: define another type.")
	}
	if err := mayGrow(ctx, c.store.UseOfTypes, a, before, t); err != nil {
		return Type{}, false, err
	}
	t, err = c.save(ctx, a, journal.ActionTypePut, t)
	return t, t.Version == 1 && t.Revision == 1, err
}

// Publish makes the draft the version that licenses are issued under, and
// retires the one before it. The draft is checked again. Licenses stay bound to their own version.
func (c *Types) Publish(ctx context.Context, a audit.Actor, code credential.TypeCode) (t Type, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionTypePublish)
	h, err := c.own(ctx, a, code, c.delegations.mayWrite)
	if err != nil {
		return Type{}, err
	}
	newest := h.Newest()
	if newest.State != TypeDraft {
		return Type{}, refusal.Conflict("type_not_draft", "The type has no draft to publish. PUT one first.")
	}
	if err := newest.check(); err != nil { // it may have been written when less was refused
		return Type{}, err
	}
	now := time.Now().UTC()
	change := []Type{}
	if old := h.Published(); old != nil {
		retired := *old
		retired.State, retired.RetiredAt = TypeRetired, now
		change = append(change, retired)
	}
	t = *newest
	t.State, t.PublishedAt = TypePublished, now
	return c.save(ctx, a, journal.ActionTypePublish, append(change, t)...)
}

// Retire ends issuing under a type; its licenses stay as they are.
func (c *Types) Retire(ctx context.Context, a audit.Actor, code credential.TypeCode) (t Type, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionTypeRetire)
	h, err := c.own(ctx, a, code, c.delegations.mayRetire)
	if err != nil {
		return Type{}, err
	}
	v := h.Published()
	if v == nil {
		return Type{}, refusal.Conflict("type_not_published", "The type has no published version to retire.")
	}
	t = *v
	t.State, t.RetiredAt = TypeRetired, time.Now().UTC()
	return c.save(ctx, a, journal.ActionTypeRetire, t)
}

// own reads the newest versions of a type that the caller may change. A draft of
// another's that was never published isn't there for it.
func (c *Types) own(ctx context.Context, a audit.Actor, code credential.TypeCode, may allows) (Heads, error) {
	h, err := c.cache.read(ctx, code)
	if err != nil {
		return Heads{}, err
	}
	if h.Newest() == nil {
		return Heads{}, errTypeUnknown()
	}
	hidden := h.Mandating() == nil && h.owner() != a.Participant
	err = may(ctx, a, string(code), h.owner(), hidden, errTypeOwner)
	if e, ok := errors.AsType[*refusal.Error](err); ok && hidden && e.Kind == refusal.KindForbidden {
		return Heads{}, errTypeUnknown()
	}
	return h, err
}

// save saves types in one step and returns the last with its new revision.
func (c *Types) save(ctx context.Context, a audit.Actor, act journal.Action, ts ...Type) (Type, error) {
	var records []TypeRecord
	for _, t := range ts {
		rec, err := sealType(t)
		if err != nil {
			return Type{}, err
		}
		records = append(records, rec)
	}
	t := ts[len(ts)-1]
	e, err := c.journal.Event(ctx, a, act, map[string]string{"type": string(t.Code), "type_version": fmt.Sprint(t.Version)})
	if err != nil {
		return Type{}, err
	}
	defer c.cache.forget(t.Code)
	switch err := c.store.SaveTypes(ctx, e, records...); {
	case errors.Is(err, ErrConflict):
		return Type{}, refusal.ChangedMeanwhile()
	case err != nil:
		return Type{}, fmt.Errorf("saving type %s: %w", t.Code, err)
	}
	t.Revision++
	return t, nil
}

// Version returns a version of a type: 0 for the published one, or else the one that was
// published last, or else the draft.
func (c *Types) Version(ctx context.Context, code credential.TypeCode, version int) (Type, error) {
	if version != 0 {
		t, err := c.cache.version(ctx, code, version)
		if err == nil && t == nil {
			err = errTypeUnknown()
		}
		if err != nil {
			return Type{}, err
		}
		return *t, nil
	}
	h, err := c.cache.of(ctx, code)
	if err != nil {
		return Type{}, err
	}
	for _, t := range []*Type{h.Mandating(), h.Newest()} {
		if t != nil {
			return *t, nil
		}
	}
	return Type{}, errTypeUnknown()
}

// List lists the newest version of each type with a code greater than after, drafts
// among them.
func (c *Types) List(ctx context.Context, after credential.TypeCode, limit int) ([]Type, error) {
	records, err := c.store.ListTypes(ctx, Drafts{All: true}, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing types: %w", err)
	}
	return readTypes(records)
}

func readTypes(records []TypeRecord) ([]Type, error) {
	var ts []Type
	for _, rec := range records {
		t, err := readType(rec)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}

func errTypeUnknown() error {
	return refusal.Missing("type_unknown", "There is no license type with this code.")
}

func errTypeOwner() error {
	return refusal.Forbidden("type_owner", "The type was defined by another participant, which alone may change it.")
}

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
