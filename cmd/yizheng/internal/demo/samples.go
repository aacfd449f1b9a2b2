package demo

import (
	"embed"
	"io/fs"

	"yizheng.internal/signing/strictjson"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/relation"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// sampleFiles are the samples, all made up: the city 青禾市 in the province
// 云岭省, area codes that begin with 99, which is no province, and 样例 in every
// name. They pass every check of the registry, which issues them as any other.
//
//go:embed samples
var sampleFiles embed.FS

// samples are what the demo starts with.
type samples struct {
	participants []sampleParticipant
	types        []sampleType
	licenses     []sampleLicense
	items        []sampleItem
	people       []samplePerson
	departments  []sampleDepartment
	proving      []relation.Believed
	lawful       []offer.Lawful
	posts        []samplePost
	platforms    map[string]party.Names // titles of other platforms, by their ids
}

// sampleParticipant is a participant with the client that acts for it.
type sampleParticipant struct {
	Key      string         `json:"key"` // for the other samples to name it by
	USCC     string         `json:"uscc"`
	Name     string         `json:"name"`
	Names    party.Names    `json:"names"`
	Class    identity.Class `json:"class"`
	AreaCode string         `json:"area_code"`
	Level    int            `json:"level"`
	Parent   string         `json:"parent,omitempty"` // key of one that stands before it
	Client   string         `json:"client"`
	Clients  party.Names    `json:"client_names"`
	Scopes   []oidc.Scope   `json:"scopes"`
}

// sampleType is a license type, defined by the first participant.
type sampleType struct {
	Code       credential.TypeCode `json:"code"`
	Definition catalog.Definition  `json:"definition"`
}

// sampleLicense is a license, and what became of it: one of Suspend, End and
// Replace, or nothing.
type sampleLicense struct {
	Key        string              `json:"key"` // of its idempotent request
	By         string              `json:"by"`  // key of the authority
	TypeCode   credential.TypeCode `json:"type_code"`
	Number     string              `json:"number"`
	Holders    []credential.Holder `json:"holders"`
	FromMonths int                 `json:"from_months"`      // from today to its first day of validity
	Months     int                 `json:"months,omitempty"` // from then on; 0: long-term 长期
	AreaCode   string              `json:"area_code"`
	Fields     jsontext.Value      `json:"fields"`

	Suspend *sampleSuspension  `json:"suspend,omitempty"`
	End     *sampleEnding      `json:"end,omitempty"`
	Replace *sampleReplacement `json:"replace,omitempty"`
}

// validFrom stands in a sample's fields for its first day of validity.
const validFrom = "VALID-FROM"

// sampleSuspension is made on the day of the demo.
type sampleSuspension struct {
	Reason   string         `json:"reason"`
	Document sampleDocument `json:"document"`
}

// sampleDocument is of the day of the demo.
type sampleDocument struct {
	Number string `json:"number"`
	Basis  string `json:"basis"`
}

// sampleEnding takes effect on the day of the demo.
type sampleEnding struct {
	Reason   string             `json:"reason"`
	Kind     license.EndingKind `json:"kind"`
	Document sampleDocument     `json:"document"`
}

// sampleReplacement changes the fields, and leaves the rest.
type sampleReplacement struct {
	Kind   license.ReplaceKind `json:"kind"`
	Reason string              `json:"reason"`
	Fields jsontext.Value      `json:"fields"`
}

// loadSamples reads the embedded samples.
func loadSamples() (s samples, err error) {
	for name, to := range map[string]any{
		"participants": &s.participants, "licenses": &s.licenses, "items": &s.items, "people": &s.people, "departments": &s.departments, "posts": &s.posts, "platforms": &s.platforms,
	} {
		if err := readSample("samples/"+name+".json", to); err != nil {
			return s, err
		}
	}
	proving, err := sampleFiles.ReadFile("samples/proving.json")
	if err != nil {
		return s, err
	}
	if s.proving, err = relation.ReadBelieved(proving); err != nil {
		return s, texts.Refuse("demo.sample", "proving.json", err)
	}
	lawful, err := sampleFiles.ReadFile("samples/legal.json")
	if err != nil {
		return s, err
	}
	if s.lawful, err = offer.ReadLawful(lawful); err != nil {
		return s, texts.Refuse("demo.sample", "legal.json", err)
	}
	names, err := fs.Glob(sampleFiles, "samples/types/*.json")
	if err != nil {
		return s, err
	}
	for _, name := range names {
		var t sampleType
		if err := readSample(name, &t); err != nil {
			return s, err
		}
		s.types = append(s.types, t)
	}
	return s, nil
}

func readSample(name string, to any) error {
	text, err := sampleFiles.ReadFile(name)
	if err != nil {
		return err
	}
	if err := strictjson.Decode(text, to); err != nil {
		return texts.Refuse("usage.of", name, err)
	}
	return nil
}
