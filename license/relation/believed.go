package relation

import (
	"errors"
	"fmt"
	"slices"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/strictjson"
)

// Kind is a kind of relationship that licenses prove, or the end of one.
type Kind string

// The kinds.
const (
	LegalRepresentative Kind = "legal_representative" // 法定代表人、负责人、经营者 of an organization
	Guardian            Kind = "guardian"             // 父母 of a child
	Marriage            Kind = "marriage"
	Divorce             Kind = "divorce" // ends a marriage
)

// Believed says that licenses of a type are believed to prove a relationship. It is the operator's word: whoever
// defines a type can't make its licenses prove anything.
type Believed struct {
	Type   credential.TypeCode `json:"type_code"`
	Proves Kind                `json:"proves"`
	// Principal is the role of the organization, or of the child; empty for marriages and divorces.
	Principal string `json:"principal,omitempty"`
	// Representatives are the roles of the representative, of the parents, or of the spouses.
	Representatives []string `json:"representatives"`
	// Date is the face field that has the day on which it happened: the child's birth, the marriage, the divorce.
	// Empty: a child's birth is that of its code, and a marriage or divorce is of the first day of its license.
	Date string `json:"date,omitempty"`
	// Authorities are those whose licenses are believed. Empty: all that may issue licenses of the type.
	Authorities []party.USCC `json:"authorities,omitempty"`
}

// Bounds of the file.
const (
	maxFile        = 64 << 10 // bytes
	maxBelieved    = 50
	maxRoles       = 10
	maxAuthorities = 100
	maxName        = 64 // characters of a role, or of a field
)

// ReadBelieved reads the operator's file: strict JSON {"types": […]}, each as [Believed] says. A type may be
// named once. Whoever believes marriages must also name the type of divorces that end them.
func ReadBelieved(text []byte) ([]Believed, error) {
	var file struct {
		Types []Believed `json:"types"`
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("the file has more than %d bytes", maxFile)
	}
	if err := strictjson.DecodeShallow(text, &file, 5); err != nil {
		if e, ok := errors.AsType[*strictjson.Error](err); ok && e.Pointer != "" {
			return nil, fmt.Errorf("at %s: %s", e.Pointer, e.Kind)
		}
		return nil, errors.New("the file isn't a JSON object {\"types\": […]} as the guide describes it")
	}
	return file.Types, CheckBelieved(file.Types)
}

// CheckBelieved checks what the operator believes.
func CheckBelieved(all []Believed) error {
	if len(all) > maxBelieved {
		return fmt.Errorf("types: there are at most %d", maxBelieved)
	}
	proved := map[Kind]bool{}
	for i := range all {
		b := &all[i]
		if err := b.check(); err != nil {
			return fmt.Errorf("type %q: %w", b.Type, err)
		}
		if slices.ContainsFunc(all[:i], func(other Believed) bool { return other.Type == b.Type }) {
			return fmt.Errorf("type %q: it stands twice", b.Type)
		}
		proved[b.Proves] = true
	}
	if proved[Marriage] && !proved[Divorce] {
		return errors.New("types: whoever believes marriages needs a type that proves divorce, or a divorce would go unnoticed")
	}
	return nil
}

func (b *Believed) check() error {
	if _, err := credential.ParseTypeCode(string(b.Type)); err != nil {
		return errors.New("type_code: isn't 18 characters of a unified social credit code and three digits")
	}
	switch b.Proves {
	case LegalRepresentative, Guardian:
		if !isName(b.Principal) {
			return errors.New("principal: the role of the organization or the child, 1 to 64 characters")
		}
	case Marriage, Divorce:
		if b.Principal != "" {
			return errors.New("principal: a marriage has none, for both are equal")
		}
	default:
		return errors.New("proves: legal_representative, guardian, marriage or divorce")
	}
	if len(b.Representatives) == 0 || len(b.Representatives) > maxRoles {
		return fmt.Errorf("representatives: 1 to %d roles", maxRoles)
	}
	for i, role := range b.Representatives {
		if !isName(role) || role == b.Principal || slices.Contains(b.Representatives[:i], role) {
			return errors.New("representatives: roles of 1 to 64 characters, each once, and not the principal's")
		}
	}
	if b.Date != "" && (!isName(b.Date) || b.Proves == LegalRepresentative) {
		return errors.New("date: the name of a face field, of a birth, marriage or divorce")
	}
	if len(b.Authorities) > maxAuthorities {
		return fmt.Errorf("authorities: at most %d", maxAuthorities)
	}
	for _, a := range b.Authorities {
		if _, err := party.ParseUSCC(string(a)); err != nil {
			return errors.New("authorities: unified social credit codes")
		}
	}
	return nil
}

func isName(s string) bool {
	return s != "" && len([]rune(s)) <= maxName
}
