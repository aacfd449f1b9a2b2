package license

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/license/schema"
)

// Bounds of a type's definition.
const (
	maxTypeName    = 100
	maxRoles       = 10
	maxHolders     = 100
	maxAuthorities = 1000
	maxLayout      = 64 << 10
	maxMonths      = 1200
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

// PutType writes the draft of a type: its first version, or the one after the
// newest. Its code begins with the caller's own, or one that was delegated to it, and
// only the participant that defined a type may change it, as long as that is so.
func (r *Registry) PutType(ctx context.Context, a Actor, code TypeCode, d Definition) (t Type, created bool, err error) {
	defer r.audit(ctx, &err, a, ActionTypePut, "", 0)
	if _, err := ParseTypeCode(string(code)); err != nil {
		return Type{}, false, invalid("type_code", "The type code is not 18 characters of a unified social credit code and three digits.")
	}
	if err := d.check(); err != nil {
		return Type{}, false, err
	}
	h, err := r.types.read(ctx, code)
	if err != nil {
		return Type{}, false, err
	}
	if err := r.mayWrite(ctx, a, string(code), h.owner(), h.mandating() == nil, errTypeOwner); err != nil {
		return Type{}, false, err
	}
	t = Type{Code: code, Version: 1, State: TypeDraft, Definition: d, Owner: a.Participant, CreatedAt: time.Now().UTC()}
	before := Use{}
	if newest := h.newest(); newest != nil {
		t.Version = newest.Version + 1
		if newest.State == TypeDraft {
			t.Version, t.Revision, t.CreatedAt = newest.Version, newest.Revision, newest.CreatedAt
			if before, err = useOf(newest.Owner == a.Participant, newest); err != nil {
				return Type{}, false, err
			}
		}
	}
	if t.Version > maxVersions {
		return Type{}, false, conflict("versions_limit", "The type has 1000 versions, as many as there may be: define another type.")
	}
	if err := r.mayGrow(ctx, r.c.Stores.UseOfTypes, a, before, t); err != nil {
		return Type{}, false, err
	}
	t, err = r.saveTypes(ctx, a, ActionTypePut, t)
	return t, t.Version == 1 && t.Revision == 1, err
}

// PublishType makes the draft the version that licenses are issued under, and
// retires the one before it. The draft is checked again. Licenses stay bound to their own version.
func (r *Registry) PublishType(ctx context.Context, a Actor, code TypeCode) (t Type, err error) {
	defer r.audit(ctx, &err, a, ActionTypePubl, "", 0)
	h, err := r.ownType(ctx, a, code, r.mayWrite)
	if err != nil {
		return Type{}, err
	}
	newest := h.newest()
	if newest.State != TypeDraft {
		return Type{}, conflict("type_not_draft", "The type has no draft to publish. PUT one first.")
	}
	if err := newest.check(); err != nil { // it may have been written when less was refused
		return Type{}, err
	}
	now := time.Now().UTC()
	change := []Type{}
	if old := h.published(); old != nil {
		retired := *old
		retired.State, retired.RetiredAt = TypeRetired, now
		change = append(change, retired)
	}
	t = *newest
	t.State, t.PublishedAt = TypePublished, now
	return r.saveTypes(ctx, a, ActionTypePubl, append(change, t)...)
}

// RetireType ends issuing under a type; its licenses stay as they are.
func (r *Registry) RetireType(ctx context.Context, a Actor, code TypeCode) (t Type, err error) {
	defer r.audit(ctx, &err, a, ActionTypeRetire, "", 0)
	h, err := r.ownType(ctx, a, code, r.mayRetire)
	if err != nil {
		return Type{}, err
	}
	v := h.published()
	if v == nil {
		return Type{}, conflict("type_not_published", "The type has no published version to retire.")
	}
	t = *v
	t.State, t.RetiredAt = TypeRetired, time.Now().UTC()
	return r.saveTypes(ctx, a, ActionTypeRetire, t)
}

// ownType reads the newest versions of a type that the caller may change. A draft of
// another's that was never published isn't there for it.
func (r *Registry) ownType(ctx context.Context, a Actor, code TypeCode, may allows) (heads, error) {
	h, err := r.types.read(ctx, code)
	if err != nil {
		return heads{}, err
	}
	if h.newest() == nil {
		return heads{}, errTypeUnknown()
	}
	hidden := h.mandating() == nil && h.owner() != a.Participant
	err = may(ctx, a, string(code), h.owner(), hidden, errTypeOwner)
	if e, ok := errors.AsType[*Error](err); ok && hidden && e.Kind == KindForbidden {
		return heads{}, errTypeUnknown()
	}
	return h, err
}

// saveTypes saves types in one step and returns the last with its new revision.
func (r *Registry) saveTypes(ctx context.Context, a Actor, act Action, ts ...Type) (Type, error) {
	var records []TypeRecord
	for _, t := range ts {
		rec, err := sealType(t)
		if err != nil {
			return Type{}, err
		}
		records = append(records, rec)
	}
	t := ts[len(ts)-1]
	e, err := r.event(ctx, a, act, "", 0, "ok", map[string]string{"type": string(t.Code), "type_version": fmt.Sprint(t.Version)})
	if err != nil {
		return Type{}, err
	}
	defer r.types.forget(t.Code)
	switch err := r.c.Stores.SaveTypes(ctx, e, records...); {
	case errors.Is(err, ErrConflict):
		return Type{}, errChanged()
	case err != nil:
		return Type{}, fmt.Errorf("saving type %s: %w", t.Code, err)
	}
	t.Revision++
	return t, nil
}

// Type returns a version of a type: 0 for the published one, or else the one that was
// published last, or else the draft.
func (r *Registry) Type(ctx context.Context, code TypeCode, version int) (Type, error) {
	if version != 0 {
		t, err := r.types.version(ctx, code, version)
		if err == nil && t == nil {
			err = errTypeUnknown()
		}
		if err != nil {
			return Type{}, err
		}
		return *t, nil
	}
	h, err := r.types.of(ctx, code)
	if err != nil {
		return Type{}, err
	}
	for _, t := range []*Type{h.mandating(), h.newest()} {
		if t != nil {
			return *t, nil
		}
	}
	return Type{}, errTypeUnknown()
}

// Types lists the newest version of each type with a code greater than after, drafts
// among them.
func (r *Registry) Types(ctx context.Context, after TypeCode, limit int) ([]Type, error) {
	records, err := r.c.Stores.ListTypes(ctx, Drafts{All: true}, after, limit)
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
	return missing("type_unknown", "There is no license type with this code.")
}

func errTypeOwner() error {
	return forbidden("type_owner", "The type was defined by another participant, which alone may change it.")
}

func errChanged() error {
	return conflict("changed_meanwhile", "It was changed by someone else at the same time. Read it again and repeat if still wanted.")
}

// check returns an *Error that names everything wrong with a definition.
func (d *Definition) check() error {
	var vs violations
	vs.text("/name", d.Name, 1, maxTypeName)
	vs.text("/name_en", d.NameEN, 0, maxTypeName)
	vs.names("/names", d.Names, maxTypeName)
	vs.when(d.NameEN != "" && d.Names["en"] != "" && d.NameEN != d.Names["en"], "/name_en", "names_differ", "must be left out, or the same as names/en")
	vs.when(d.Numbers != NumberUnique && d.Numbers != NumberShared, "/number_policy", "enum", "must be unique or shared")
	vs.when(d.Approval != OneStep && d.Approval != TwoStep, "/approval", "enum", "must be one_step")
	vs.when(d.Approval == TwoStep, "/approval", "approval_unsupported", "must be one_step: nothing could be issued, for nobody can approve yet")
	vs.when(d.Validity.MaxMonths < 0 || d.Validity.MaxMonths > maxMonths, "/validity/max_months", "range", "must be 0 (no limit) to 1200")
	vs.when(len(d.Authorities) == 0 || len(d.Authorities) > maxAuthorities, "/authorities", "count", "must name 1 to 1000 authorities")
	for i, c := range d.Authorities[:min(len(d.Authorities), maxAuthorities)] {
		vs.when(!c.Valid(), fmt.Sprintf("/authorities/%d", i), "uscc", "is not a unified social credit code of 18 digits and upper-case letters")
		vs.when(slices.Contains(d.Authorities[:i], c), fmt.Sprintf("/authorities/%d", i), "duplicate", "stands twice")
	}
	vs.when(len(d.Coverage) > len(d.Authorities), "/coverage", "count", "must name no more than the authorities")
	for i, c := range d.Coverage[:min(len(d.Coverage), len(d.Authorities))] {
		vs.when(!slices.Contains(d.Authorities, c), fmt.Sprintf("/coverage/%d", i), "unknown_authority", "is not among the authorities")
	}
	d.checkHolders(&vs)
	if len(d.Layout) > 0 {
		var layout map[string]json.RawMessage
		vs.when(len(d.Layout) > maxLayout || json.Unmarshal(d.Layout, &layout) != nil, "/layout", "layout", "must be a JSON object of at most 64 KiB")
	}
	compiled, err := schema.Check(d.Schema)
	if e, ok := errors.AsType[*schema.Error](err); ok {
		vs.add("/schema"+e.Pointer, e.Reason, e.Error())
	} else if err != nil {
		vs.add("/schema", "schema", "is not a usable JSON Schema")
	}
	if compiled != nil {
		for i, name := range d.Sensitive {
			known := slices.ContainsFunc(compiled.Fields(), func(f schema.Field) bool { return f.Name == name })
			vs.when(!known, fmt.Sprintf("/sensitive/%d", i), "unknown_field", "is not a field of the schema")
		}
	}
	return vs.err("type_invalid", "The definition of the type is not usable; see violations.")
}

func (d *Definition) checkHolders(vs *violations) {
	vs.when(len(d.Holders) == 0 || len(d.Holders) > maxRoles, "/holders", "count", "must name 1 to 10 roles")
	seen := map[string]bool{}
	least := 0
	for i, h := range d.Holders {
		at := fmt.Sprintf("/holders/%d", i)
		vs.when(!roleName.MatchString(h.Role), at+"/role", "pattern", "must be lower-case letters, digits and _, at most 32, a letter first")
		vs.when(seen[h.Role], at+"/role", "duplicate", "stands twice")
		seen[h.Role] = true
		vs.text(at+"/name", h.Name, 1, maxTypeName)
		vs.names(at+"/names", h.Names, maxTypeName)
		vs.when(h.Min < 0 || h.Max < 1 || h.Max > maxHolders || h.Min > h.Max, at, "range", "min and max must be 0 ≤ min ≤ max, 1 ≤ max ≤ 100")
		vs.when(len(h.CodeTypes) == 0, at+"/code_types", "count", "must name at least one code type")
		for j, t := range h.CodeTypes {
			vs.when(!t.Known(), fmt.Sprintf("%s/code_types/%d", at, j), "code_type_unknown", "is not a code type of GB/T 36903")
		}
		least += h.Min
	}
	vs.when(len(d.Holders) > 0 && least == 0, "/holders", "range", "must demand at least one holder")
	vs.when(least > maxHolders, "/holders", "range", "must not demand more than 100 holders: no license has more")
	vs.when(len(d.Holders) > 0 && !slices.ContainsFunc(d.Holders, func(h HolderRole) bool { return h.Min > 0 && !h.Replaceable }),
		"/holders", "subject", "must demand a holder whose role is not replaceable: whose license it is")
}

// violations collects everything wrong with an input.
type violations []schema.Violation

func (vs *violations) add(pointer, keyword, message string) {
	*vs = append(*vs, schema.Violation{Pointer: pointer, Keyword: keyword, Message: message})
}

func (vs *violations) when(wrong bool, pointer, keyword, message string) {
	if wrong {
		vs.add(pointer, keyword, message)
	}
}

// text checks a text of a person's: length in characters, nothing invisible.
func (vs *violations) text(pointer, s string, least, most int) {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		vs.add(pointer, "length", fmt.Sprintf("must have %d to %d characters", least, most))
	}
	vs.when(!party.Visible(s), pointer, "characters", "must have no control or invisible formatting characters, nor space at an end")
}

// names checks what something is called in other languages than Chinese.
func (vs *violations) names(at string, names party.Names, most int) {
	if len(names) > party.MaxNames {
		vs.add(at, "count", fmt.Sprintf("must be at most %d languages", party.MaxNames))
		return
	}
	for _, tag := range names.Languages() {
		here := at + schema.Pointer([]string{tag})
		switch party.CheckLanguage(tag) {
		case "":
		case "names_chinese":
			vs.add(here, "language_chinese", "must not be given: the Chinese one stands beside it, and is what is signed")
			continue
		default:
			vs.add(here, "language", "must be a language tag such as en, bo or zh-Hant")
			continue
		}
		before := len(*vs)
		if vs.text(here, names[tag], 1, most); len(*vs) == before {
			_, err := party.ParseName(names[tag])
			vs.when(err != nil, here, "characters", "must have a visible character")
		}
	}
}

// err returns nil if nothing is wrong. A lone violation gives its keyword as
// the reason; several share the general one.
func (vs violations) err(reason, detail string) error {
	switch len(vs) {
	case 0:
		return nil
	case 1:
		return invalid(vs[0].Keyword, vs[0].Pointer+" "+vs[0].Message, vs...)
	}
	return invalid(reason, detail, vs...)
}
