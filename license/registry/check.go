package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing/sdjwt"
)

// earliestDate is the earliest day that a date of a license may be.
var earliestDate, _ = party.NewDate(1900, time.January, 1)

// Bounds of a license's content beside those of its schema.
const (
	maxShare  = 50
	maxReason = 500
	maxAhead  = 120 // months from now to the first day of validity
)

// content is what a request says of a license version.
type content struct {
	Number     string
	Holders    []credential.Holder
	ValidFrom  party.Date
	ValidUntil party.Date
	AreaCode   string
	Fields     json.RawMessage
}

// draft is a license version that passed every check. Only check makes one and
// only seal takes one, so nothing unchecked can be signed.
type draft struct {
	typ       *catalog.Issuable
	authority credential.PresentedBy
	content   content
	holders   []party.Code  // of content.Holders, in their one form
	fields    sdjwt.Members // of content.Fields, each selective
}

// check checks a version's content against its type. It names everything that is wrong. The caller has checked
// before that the authority is mandated.
func check(typ *catalog.Issuable, by credential.PresentedBy, c content, now time.Time) (draft, error) {
	d := draft{typ: typ, authority: by, content: c}
	var vs refusal.Violations
	vs.Text("/number", c.Number, 1, license.MaxNumber)
	vs.AreaCode(c.AreaCode)
	d.checkPeriod(&vs, now)
	d.checkHolders(&vs, now)
	other := len(vs)
	if err := d.checkFields(&vs); err != nil {
		return draft{}, err
	}
	if len(vs) > other && other == 0 {
		return draft{}, refusal.Invalid("schema_violation", "The fields don't fit the schema of the license type; see violations.", vs...)
	}
	return d, vs.Err("license_invalid", "The license is not acceptable; see violations.")
}

// mandated returns a *refusal.Error unless this version of the type lets the authority put licenses of the type
// in force.
func mandated(typ *catalog.Type, authority party.USCC) error {
	for _, c := range typ.Authorities {
		if c == authority {
			if typ.Approval == catalog.TwoStep {
				return refusal.Conflict("approval_required", "Licenses of this type need a second officer's approval, which this endpoint cannot give.")
			}
			return nil
		}
	}
	return refusal.Forbidden("mandate", "The participant is not among the authorities that may issue licenses of this type.")
}

func (d *draft) checkPeriod(vs *refusal.Violations, now time.Time) {
	c, v := &d.content, d.typ.Validity
	vs.When(c.ValidFrom.IsZero(), "/valid_from", "required", "must be given")
	switch {
	case c.ValidFrom.IsZero():
	case c.ValidFrom.Before(earliestDate):
		vs.Add("/valid_from", "period_early", "is before 1900-01-01")
	case c.ValidFrom.After(party.DateOf(now).AddMonths(maxAhead)):
		vs.Add("/valid_from", "period_late", "is more than 10 years ahead")
	case c.ValidUntil.IsZero():
		vs.When(!v.LongTerm, "/valid_until", "required", "must be given: licenses of this type are not long-term")
	case c.ValidUntil.Before(c.ValidFrom):
		vs.Add("/valid_until", "period_order", "is before valid_from")
	case c.ValidUntil.Before(party.DateOf(now)):
		vs.Add("/valid_until", "period_past", "is before the day of issue")
	case c.ValidUntil.After(c.ValidFrom.AddMonths(catalog.MaxMonths)):
		vs.Add("/valid_until", "period_length", "is more than 100 years after valid_from; leave it out of a long-term license")
	case v.MaxMonths > 0 && c.ValidUntil.After(c.ValidFrom.AddMonths(v.MaxMonths)):
		vs.Add("/valid_until", "period_length", fmt.Sprintf("is more than %d months after valid_from", v.MaxMonths))
	}
}

func (d *draft) checkHolders(vs *refusal.Violations, now time.Time) {
	vs.When(len(d.content.Holders) > catalog.MaxHolders, "/holders", "count", "must be at most 100")
	given := d.content.Holders[:min(len(d.content.Holders), catalog.MaxHolders)]
	holders := make([]credential.Holder, 0, len(given))
	for i, h := range given {
		at := "/holders/" + strconv.Itoa(i)
		role := d.typ.Role(h.Role)
		if role == nil {
			vs.Add(at+"/role", "role_unknown", "is not a role of the license type")
			continue
		}
		name, err := party.ParseName(h.Name)
		if e, ok := errors.AsType[*party.NameError](err); ok {
			vs.Add(at+"/name", e.Reason, "is not a usable name")
		}
		code, err := party.ParseCode(h.CodeType, h.Code)
		if e, ok := errors.AsType[*party.CodeError](err); ok {
			vs.Add(at+"/code", e.Reason, "is not a valid code of its type")
		} else {
			born, _ := code.BirthDate()
			vs.When(born.After(party.DateOf(now)), at+"/code", "code_birth_date", "holds a birth date in the future")
			vs.When(!role.Takes(code.Type), at+"/code_type", "code_type", "is not among the code types of this role")
			twice := func(other credential.Holder) bool {
				return other.Role == h.Role && other.CodeType == code.Type && other.Code == code.Value
			}
			vs.When(slices.ContainsFunc(holders, twice), at, "duplicate", "names the same holder in the same role twice")
		}
		vs.Text(at+"/share", h.Share, 0, maxShare)
		h.Name, h.Code = name, code.Value
		holders, d.holders = append(holders, h), append(d.holders, code)
	}
	d.content.Holders = holders
	for _, role := range d.typ.Holders {
		n := 0
		for i := range given {
			if given[i].Role == role.Role {
				n++
			}
		}
		switch {
		case n < role.Min:
			vs.Add("/holders", "role_missing", fmt.Sprintf("must name at least %d in the role %s", role.Min, role.Role))
		case n > role.Max:
			vs.Add("/holders", "role_excess", fmt.Sprintf("may name at most %d in the role %s", role.Max, role.Role))
		}
	}
}

func (d *draft) checkFields(vs *refusal.Violations) error {
	if len(d.content.Fields) == 0 {
		d.content.Fields = json.RawMessage("{}")
	}
	fields, found, err := d.typ.Compiled.Read(d.content.Fields)
	if e, ok := errors.AsType[*schema.FieldsError](err); ok {
		vs.Add("/fields", e.Reason, "cannot be read as face fields")
		return nil
	} else if err != nil {
		return fmt.Errorf("checking fields: %w", err)
	}
	for _, v := range found {
		vs.Add("/fields"+v.Pointer, v.Keyword, v.Message)
	}
	d.fields = fields
	return nil
}

// checkReason checks the reason that a change is made for.
func checkReason(vs *refusal.Violations, s string) {
	vs.Text("/reason", s, 1, maxReason)
}
