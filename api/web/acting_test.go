package web

// actsFor is whom the one who looks at a page acts for; nil: nobody.
func actsFor(somebody bool) *ActsFor {
	if !somebody {
		return nil
	}
	return &ActsFor{Name: evil, Kind: "agent"}
}

// actingSamples are views of who acts for whom.
func actingSamples() map[string]View {
	self := &ActingChoice{Key: "self", Name: evil}
	choices := []ActingChoice{
		{Key: "aa", Name: evil, Kind: "legal_representative", Code: "91990102MA00000001", Proof: evil, AsOf: sampleTime},
		{Key: "bb", Name: "青禾面馆（样例）", Kind: "agent", Until: "2027-01-31", Lapses: "2026-12-31", Current: true},
		{Key: "cc", Name: "样例", Kind: "guardian", Code: "9901**********0001"}, {Key: "dd", Name: "样例", Kind: "administrator"}, {Key: "ee", Name: "样例", Kind: "entrusted"},
	}
	one := func(kind, state, endedBy string, given bool) Representation {
		return Representation{
			ID: kind + state, Name: evil, Code: "9901**********0001", Kind: kind, State: state, EndedBy: endedBy, Given: given, Acts: []string{"apply", "view", "strange"},
			Items: []string{"食品经营许可", evil}, From: "2026-01-01", Until: "2027-01-31", Created: sampleTime, Updated: sampleTime,
		}
	}
	proved, checked, unconfirmed := one("guardian", "accepted", "", false), one("legal_representative", "accepted", "", false), one("agent", "accepted", "", true)
	proved.Proof, proved.Items, proved.Until, checked.Evidence = true, nil, "", true
	unconfirmed.Confirms, unconfirmed.Ends = true, true
	full := Representations{
		Form: sampleForm, Act: sampleForm, Self: evil, Fresh: true, Choices: choices, Asked: []Representation{one("agent", "proposed", "", false)},
		Mine: []Representation{proved, checked}, Given: []Representation{one("entrusted", "proposed", "", true), one("entrusted", "accepted", "", true)},
		Past: []Representation{one("agent", "ended", "representation_declined", true), one("agent", "ended", "strange", false)}, Appoints: true, Confirms: true, Team: []Representation{unconfirmed},
	}
	stale := full
	stale.Fresh, stale.Problem = false, "stale"
	form := Appointment{
		Form: sampleForm, Organization: evil, Kinds: []string{"agent", "administrator"}, Types: []string{"111", "414"}, Acts: []Tick{{Value: "apply", Checked: true}, {Value: "view"}},
		Items: []Tick{{Value: "QH-1", Title: evil, Checked: true}},
	}
	return map[string]View{
		"acting":                   Acting{Form: sampleForm, Asker: sampleAsker, Self: self, Choices: choices},
		"acting, over":             Acting{Form: sampleForm, Asker: sampleAsker, Self: self, Over: "representation_ended"},
		"acting, not chosen":       Acting{Form: sampleForm, Asker: sampleAsker, Self: self, Choices: choices, Over: "representation_ended", Problem: "acting_choose"},
		"acting for none":          Acting{Form: sampleForm, Asker: sampleAsker, Demanded: "organization"},
		"acting for nobody":        Acting{Form: sampleForm, Asker: sampleAsker, Demanded: "person"},
		"representations":          full,
		"representations, later":   stale,
		"representations, none":    Representations{Form: sampleForm, Act: sampleForm, Self: evil},
		"representations, no team": Representations{Form: sampleForm, Act: sampleForm, Self: evil, Appoints: true},
		"appointment":              form,
		"appointment, again":       Appointment{Form: sampleForm, Name: evil, Type: "414", Number: evil, Until: "2027-01-31", Problem: "number", Types: form.Types, Acts: form.Acts},
	}
}
