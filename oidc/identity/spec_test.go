package identity

import (
	"errors"
	"testing"

	"yizheng.internal/license/party"
)

// spec is a participant made up for tests: area code 990101 is not assigned.
var spec = Spec{USCC: "11100000000013338W", Name: " 青禾市样例局 ", Class: Government, AreaCode: "990101", Level: 3, Names: party.Names{"en": " Sample Bureau "}}

func TestNewParticipant(t *testing.T) {
	p, err := NewParticipant(spec)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "青禾市样例局" || p.Names["en"] != "Sample Bureau" || p.USCC != "11100000000013338W" || p.Revision != 1 || p.Created.IsZero() || p.Disabled {
		t.Errorf("participant is %+v", p)
	}
	if !ValidID(p.ID) {
		t.Errorf("id %q has not the form of an id", p.ID)
	}
	again, err := NewParticipant(spec)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID == p.ID {
		t.Error("two participants got one id")
	}
}

func TestNewParticipantRefuses(t *testing.T) {
	other := NewID()
	for _, test := range []struct {
		name, reason string
		change       func(*Spec)
	}{
		{"no code", "uscc_invalid", func(s *Spec) { s.USCC = "" }},
		{"wrong check character", "uscc_invalid", func(s *Spec) { s.USCC = "111000000000133380" }},
		{"no name", "name_invalid", func(s *Spec) { s.Name = "  " }},
		{"control character in the name", "name_invalid", func(s *Spec) { s.Name = "a\x00b" }},
		{"name not UTF-8", "name_invalid", func(s *Spec) { s.Name = "\xff" }},
		{"a name in no language", "names_invalid", func(s *Spec) { s.Names = party.Names{"english": "x"} }},
		{"a second Chinese name", "names_invalid", func(s *Spec) { s.Names = party.Names{"zh": "样例局"} }},
		{"bidirectional character in an English name", "names_invalid", func(s *Spec) { s.Names = party.Names{"en": "a\u202eb"} }},
		{"no class", "class_unknown", func(s *Spec) { s.Class = "" }},
		{"unknown class", "class_unknown", func(s *Spec) { s.Class = "club" }},
		{"short area code", "area_code_invalid", func(s *Spec) { s.AreaCode = "99010" }},
		{"area code with a letter", "area_code_invalid", func(s *Spec) { s.AreaCode = "99010a" }},
		{"full-width area code", "area_code_invalid", func(s *Spec) { s.AreaCode = "９９" }},
		{"no level", "level_invalid", func(s *Spec) { s.Level = 0 }},
		{"level too deep", "level_invalid", func(s *Spec) { s.Level = 6 }},
		{"parent is no id", "parent_invalid", func(s *Spec) { s.Parent = "../" + other }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := spec
			test.change(&s)
			_, err := NewParticipant(s)
			e, ok := errors.AsType[*Error](err)
			if !ok || string(e.Reason) != test.reason {
				t.Errorf("got %v, want reason %s", err, test.reason)
			}
		})
	}
}

func TestNewParticipantKeepsTheCause(t *testing.T) {
	s := spec
	s.USCC = "1"
	_, err := NewParticipant(s)
	if _, ok := errors.AsType[*party.CodeError](err); !ok {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestParticipantCannotBeItsOwnParent(t *testing.T) {
	p, err := NewParticipant(spec)
	if err != nil {
		t.Fatal(err)
	}
	p.Parent = p.ID
	if _, err := p.Checked(); err == nil {
		t.Error("its own parent was accepted")
	}
	p.Parent, p.Successor = "", p.ID
	if _, err := p.Checked(); err == nil {
		t.Error("its own successor was accepted")
	}
}
