package install

import (
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/relation"
)

// Proving says which licenses prove who may act for whom, and which legal bases do without.
type Proving struct {
	ProvingTypes string `name:"proving-types" help:"JSON file with the license types whose licenses prove who represents an organization, is a child's parent, or is married. Without it no license proves that." env:"YIZHENG_PROVING_TYPES" placeholder:"FILE" group:"Settings:"`
	LegalBasis   string `name:"legal-basis" help:"JSON file with the legal bases of service items that count: by them an item gets, without their agreement, what concerns somebody else than the applicant. Without it no item does." env:"YIZHENG_LEGAL_BASIS" placeholder:"FILE" group:"Settings:"`
}

// Believed reads the file; without one nothing is believed.
func (p Proving) Believed() ([]relation.Believed, error) {
	return readList("--proving-types", p.ProvingTypes, relation.ReadBelieved)
}

// Lawful reads the file of legal bases; without one none counts.
func (p Proving) Lawful() ([]offer.Lawful, error) {
	return readList("--legal-basis", p.LegalBasis, offer.ReadLawful)
}

// readList reads the file that a flag names; none is an empty one.
func readList[T any](flag, file string, read func(text []byte) ([]T, error)) ([]T, error) {
	if file == "" {
		return nil, nil
	}
	text, err := readBounded(file)
	if err != nil {
		return nil, texts.Refuse("usage.of", flag, err)
	}
	all, err := read(text)
	if err != nil {
		return nil, texts.Usage("usage.of", flag+" "+file, err)
	}
	return all, nil
}
