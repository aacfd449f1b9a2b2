package install

import (
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/relation"
)

// Proving says which licenses prove who may act for whom.
type Proving struct {
	ProvingTypes string `name:"proving-types" help:"JSON file with the license types whose licenses prove who represents an organization, is a child's parent, or is married. Without it no license proves that." env:"YIZHENG_PROVING_TYPES" placeholder:"FILE" group:"Settings:"`
}

// Believed reads the file; without one nothing is believed.
func (p Proving) Believed() ([]relation.Believed, error) {
	if p.ProvingTypes == "" {
		return nil, nil
	}
	text, err := readBounded(p.ProvingTypes)
	if err != nil {
		return nil, texts.Refuse("usage.of", "--proving-types", err)
	}
	all, err := relation.ReadBelieved(text)
	if err != nil {
		return nil, texts.Usage("usage.of", "--proving-types "+p.ProvingTypes, err)
	}
	return all, nil
}
