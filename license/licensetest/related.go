package licensetest

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/license/relation"
)

// Types whose licenses prove relationships.
const (
	CompanyType  = credential.TypeCode("11100000000013338W041")
	BirthType    = credential.TypeCode("11100000000013338W042")
	MarriageType = credential.TypeCode("11100000000013338W043")
	DivorceType  = credential.TypeCode("11100000000013338W044")
)

// Others with numbers of their own.
const (
	Company = "91110000600037341L"
	Child   = "110105202501141118"
	Other   = "110105199001010010"
)

// Believed is what the operator believes.
func Believed() []relation.Believed {
	return []relation.Believed{
		{Type: CompanyType, Proves: relation.LegalRepresentative, Principal: "holder", Representatives: []string{"representative"}},
		{Type: BirthType, Proves: relation.Guardian, Principal: "child", Representatives: []string{"mother", "father"}, Date: "day"},
		{Type: MarriageType, Proves: relation.Marriage, Representatives: []string{"spouse"}, Date: "day"},
		{Type: DivorceType, Proves: relation.Divorce, Representatives: []string{"spouse"}, Date: "day"},
	}
}

// NewRelated opens a registry whose operator believes some types, all published.
func NewRelated(t testing.TB) *World {
	t.Helper()
	w := New(t)
	for code, d := range RelatedTypes() {
		w.Publish(t, code, d)
	}
	w.Library = w.OpenBelieving(t, w.DB.Licenses(), Believed())
	return w
}

// OpenBelieving is OpenOn for an operator who believes something.
func (w *World) OpenBelieving(t testing.TB, stores library.Stores, believed []relation.Believed) *library.Library {
	t.Helper()
	c := Config(stores, w.DB.Journal(), w.In)
	c.Believed = believed
	r, err := library.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// RelatedTypes returns the definitions of the types that prove relationships.
func RelatedTypes() map[credential.TypeCode]catalog.Definition {
	define := func(name string, holders ...catalog.HolderRole) catalog.Definition {
		return catalog.Definition{
			Name: name, Schema: json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"day":{"type":"string","title":"日期","format":"date"},"representative":{"type":"string","title":"法定代表人","maxLength":50}}}`),
			Holders: holders, Validity: catalog.Validity{LongTerm: true}, Numbers: catalog.NumberShared, Approval: catalog.OneStep,
			Authorities: []party.USCC{Authority}, Coverage: []party.USCC{Authority},
		}
	}
	person := func(role string, least, most int) catalog.HolderRole {
		return catalog.HolderRole{Role: role, Name: "样例角色", Min: least, Max: most, Replaceable: role == "representative", CodeTypes: []party.CodeType{party.Citizen, party.Passport}}
	}
	firm := catalog.HolderRole{Role: "holder", Name: "市场主体", Min: 1, Max: 2, CodeTypes: []party.CodeType{party.SocialCredit}}
	return map[credential.TypeCode]catalog.Definition{
		CompanyType:  define("样例营业执照", firm, person("representative", 0, 2), person("agent", 0, 1)),
		BirthType:    define("样例出生医学证明", person("child", 1, 1), person("mother", 0, 1), person("father", 0, 1)),
		MarriageType: define("样例结婚证", person("spouse", 2, 2), person("witness", 0, 1)),
		DivorceType:  define("样例离婚证", person("spouse", 2, 2)),
	}
}

// Holder returns a holder in a role; a code of 18 characters that begins with 9 is a company's.
func Holder(role, code string) credential.Holder {
	h := credential.Holder{Name: "样例" + role, CodeType: party.Citizen, Code: code, Role: role}
	if code[0] == '9' {
		h.CodeType = party.SocialCredit
	}
	return h
}

// IssueRelated issues a license of a type, of a day (2006-01-02, or empty).
func (w *World) IssueRelated(t testing.TB, typ credential.TypeCode, number, day string, holders ...credential.Holder) registry.Issued {
	t.Helper()
	fields := `{}`
	if day != "" {
		fields = `{"day":"` + day + `"}`
	}
	out, err := w.Registry.Issue(t.Context(), Issuer, registry.IssueRequest{
		TypeCode: typ, Number: number, Holders: holders, ValidFrom: party.DateOf(time.Now()), Fields: json.RawMessage(fields),
	}, "key-"+rand.Text()) // a duplicate 副本 has the same number
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Citizens returns the codes of citizens.
func Citizens(numbers ...string) []party.Code {
	var codes []party.Code
	for _, n := range numbers {
		codes = append(codes, party.Code{Type: party.Citizen, Value: n})
	}
	return codes
}
