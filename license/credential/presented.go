package credential

import "yizheng.internal/license/party"

// Presented is what a verified credential discloses. When the license was
// verified by its identifier, holders are masked and fields are absent.
type Presented struct {
	TypeCode    TypeCode          `json:"type_code"`
	TypeName    string            `json:"type_name"`
	TypeVersion int               `json:"type_version"`
	Version     int               `json:"version"`
	Authority   PresentedBy       `json:"authority"`
	Origin      Origin            `json:"origin"`
	TrustGrade  TrustGrade        `json:"trust_grade"`
	ValidFrom   party.Date        `json:"valid_from"`
	ValidUntil  party.Date        `json:"valid_until,omitzero"`
	Identifier  string            `json:"identifier,omitempty"`
	Number      string            `json:"number,omitempty"`
	AreaCode    string            `json:"area_code,omitempty"`
	Previous    string            `json:"previous_identifier,omitempty"` // the identifier of the version before
	Holders     []PresentedHolder `json:"holders,omitempty"`             // what was disclosed of them
	Fields      map[string]any    `json:"fields,omitempty"`              // those that were disclosed
	Withheld    int               `json:"withheld"`                      // how many parts were withheld
}

// PresentedBy is the authority as the credential names it.
type PresentedBy struct {
	Code party.USCC `json:"code"`
	Name string     `json:"name"`
}

// PresentedHolder is what was disclosed of a holder.
type PresentedHolder struct {
	Name     string         `json:"name,omitempty"`
	CodeType party.CodeType `json:"code_type,omitempty"`
	Code     string         `json:"code,omitempty"`
	Role     string         `json:"role,omitempty"`
	Share    string         `json:"share,omitempty"`
}

// presented returns what the credential discloses.
func (c *verification) presented() *Presented {
	l := &c.claims
	p := &Presented{
		TypeCode: l.typeCode, TypeName: l.typeName, TypeVersion: int(l.typeVersion), Version: int(l.version),
		Authority: l.authority, Origin: l.origin, TrustGrade: l.trustGrade,
		ValidFrom: c.from, ValidUntil: c.until, Withheld: c.resolved.Withheld,
	}
	claims := c.resolved.Claims
	p.Identifier, _ = claims["identifier"].(string)
	p.Number, _ = claims["number"].(string)
	p.AreaCode, _ = claims["area_code"].(string)
	p.Previous, _ = claims["previous_identifier"].(string)
	p.Fields, _ = claims["fields"].(map[string]any)
	holders, _ := claims["holders"].([]any)
	for _, h := range holders {
		m, _ := h.(map[string]any)
		var ph PresentedHolder
		ph.Name, _ = m["name"].(string)
		ph.Code, _ = m["code"].(string)
		ph.Role, _ = m["role"].(string)
		ph.Share, _ = m["share"].(string)
		t, _ := m["code_type"].(string)
		ph.CodeType = party.CodeType(t)
		p.Holders = append(p.Holders, ph)
	}
	return p
}

// Mask removes and masks what must not be shown to somebody who only has the license in hand.
func (p *Presented) Mask() {
	if p == nil {
		return
	}
	p.Identifier, p.Previous, p.Number, p.AreaCode, p.Fields, p.Withheld = "", "", "", "", nil, 0
	for i, h := range p.Holders {
		p.Holders[i] = PresentedHolder{
			Name: party.MaskName(h.Name), CodeType: h.CodeType, Role: h.Role,
			Code: party.Code{Type: h.CodeType, Value: h.Code}.Mask(),
		}
	}
}
