package credential

import "yizheng.internal/license/party"

// Presented is what a verified credential discloses. When the license was
// verified by its identifier, holders are masked and fields are absent.
type Presented struct {
	TypeCode    TypeCode          `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	TypeName    string            `json:"type_name" doc:"the type's name"`
	TypeVersion int               `json:"type_version" doc:"the version of the type's definition"`
	Version     int               `json:"version" doc:"the version of the license"`
	Authority   PresentedBy       `json:"authority" doc:"the department that issued it"`
	Origin      Origin            `json:"origin" doc:"authority: issued by it; collected: taken over from elsewhere and attested by the registry" enum:"authority,collected"`
	TrustGrade  TrustGrade        `json:"trust_grade" doc:"A made by the authority, B checked against the original, C uploaded by the user, D made by the user" enum:"A,B,C,D"`
	ValidFrom   party.Date        `json:"valid_from" doc:"the first day of validity"`
	ValidUntil  party.Date        `json:"valid_until,omitzero" doc:"the last day of validity; absent: long-term 长期"`
	Identifier  string            `json:"identifier,omitempty" doc:"if disclosed"`
	Number      string            `json:"number,omitempty" doc:"if disclosed"`
	AreaCode    string            `json:"area_code,omitempty" doc:"if disclosed"`
	Previous    string            `json:"previous_identifier,omitempty" doc:"the identifier of the version before it, if disclosed"`
	Holders     []PresentedHolder `json:"holders,omitempty" doc:"as far as disclosed; masked when verified by identifier"`
	Fields      map[string]any    `json:"fields,omitempty" doc:"the face fields that were disclosed; absent when verified by identifier"`
	Withheld    int               `json:"withheld" doc:"how many parts were withheld"`
}

// PresentedBy is the authority as the credential names it.
type PresentedBy struct {
	Code party.USCC `json:"code" doc:"unified social credit code"`
	Name string     `json:"name" doc:"the department's name when the license was signed"`
}

// PresentedHolder is a holder as far as it was disclosed.
type PresentedHolder struct {
	Name     string         `json:"name,omitempty" doc:"if disclosed"`
	CodeType party.CodeType `json:"code_type,omitempty" doc:"if disclosed"`
	Code     string         `json:"code,omitempty" doc:"if disclosed"`
	Role     string         `json:"role,omitempty" doc:"if disclosed"`
	Share    string         `json:"share,omitempty" doc:"共有份额, if there is one and it was disclosed"`
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

// Mask leaves of a license what may be shown to whoever has it in hand.
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
